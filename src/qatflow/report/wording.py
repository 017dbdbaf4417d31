"""How figures read: units, rounding and signs, the same in the page, its figures and the verdict."""

from collections.abc import Callable
from dataclasses import dataclass

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
TIMES = "\N{MULTIPLICATION SIGN}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
ABSENT = "\N{EN DASH}"


@dataclass(frozen=True)
class Score:
    """The words for a task's one higher-is-better figure: `name` as a heading, `noun` inside a sentence."""

    name: str
    noun: str
    is_share: bool

    def value(self, score: float) -> str:
        """Return `97.8 %` for shares, `0.912` for others."""
        return percent(score) if self.is_share else signed(score, 3, plus="")

    def tick(self, score: float) -> str:
        """Return a round score, such as a tick's, without needless zeros."""
        return round_percent(score) if self.is_share else number(float(score))

    def change(self, difference: float) -> str:
        """Return a signed difference, in percentage points for shares."""
        return f"{signed(100 * difference, 1)}{SPACE}points" if self.is_share else signed(difference, 3)

    def against_float(self, difference: float) -> str:
        """Return where a score stands against the float model's, as words."""
        change = self.change(difference)
        if float(change.split()[0].replace(MINUS, "-")) == 0:
            return "the same as float"
        return f"{change[1:]} {'above' if difference > 0 else 'below'} float"


SCORES = {
    "classification": Score("Accuracy", "accuracy", is_share=True),
    "multi_label": Score("Accuracy", "accuracy", is_share=True),
    "regression": Score("R²", "R²", is_share=False),
    "anomaly": Score("AUC", "AUC", is_share=False),
}


def signed(value: float, digits: int, plus: str = "+") -> str:
    """Return a fixed-point number with its sign; zero has none."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else plus) + text


def percent(share: float) -> str:
    """Return a share as per cent with one digit; less than all never reads as 100."""
    text = f"{100 * share:.1f}"
    return (">99.9" if text == "100.0" and share < 1 else text) + f"{SPACE}%"


def round_percent(share: float) -> str:
    """Return a round share, such as a tick's, without needless zeros."""
    return f"{round(100 * share, 6):g}{SPACE}%"


def size(size_bytes: float) -> str:
    """Return bytes in B, kB or MB (powers of 1000), three digits."""
    return _in_unit(size_bytes, _three_digits)


def round_size(size_bytes: float) -> str:
    """Return a round size, such as a tick's, without needless zeros."""
    return _in_unit(size_bytes, "{:g}".format)


def latency(latency_us: float) -> str:
    """Return microseconds in µs or ms, three digits."""
    if latency_us >= 1000:
        return f"{_three_digits(latency_us / 1000)}{SPACE}ms"
    return f"{_three_digits(latency_us)}{SPACE}\N{MICRO SIGN}s"


def times(ratio: float) -> str:
    """Return a ratio with one digit and a multiplication sign."""
    return f"{ratio:.1f}{TIMES}"


def smaller(ratio: float) -> str:
    """Say how a size compares with another; `ratio` is own size over the other."""
    return _compare(ratio, "smaller", "larger", "as large")


def faster(ratio: float) -> str:
    """Say how a latency compares with another; `ratio` is own latency over the other."""
    return _compare(ratio, "faster", "slower", "as fast")


def than_float(comparison: str) -> str:
    """Complete a comparison of `smaller` or `faster`, as in `as fast as float`."""
    return f"{comparison} {'as' if comparison.startswith('as ') else 'than'} float"


def _compare(ratio: float, less: str, more: str, equal: str) -> str:
    factor = max(ratio, 1 / ratio)
    if factor < 1.05:
        return equal
    return f"{factor:.1f}{TIMES} {less if ratio < 1 else more}"


def chance(p: float) -> str:
    """Return a p-value; one that rounds to nothing is told as a bound."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def p_value(p: float) -> str:
    """Return a p-value for a table; one that rounds to nothing is told as a bound."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def number(value: object) -> str:
    """Return any measured value: four digits for floats, a dash for nothing."""
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", MINUS)
    return str(value)


def metric(value: float) -> str:
    """Return a metric with four digits, so that columns of them line up."""
    return f"{value:#.4g}".replace("-", MINUS)


def short(digest: str) -> str:
    """Return the first twelve characters of a digest."""
    return digest[:12]


def clip(name: str, length: int) -> str:
    """Return `name`, cut to `length` characters with an ellipsis where it is longer."""
    return name if len(name) <= length else name[: length - 1] + ELLIPSIS


def _in_unit(size_bytes: float, write: Callable[[float], str]) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{write(size_bytes / factor)}{SPACE}{unit}"
    return f"{size_bytes:.0f}{SPACE}B"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
