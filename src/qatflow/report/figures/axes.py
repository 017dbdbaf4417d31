"""Scales from values to user units, round ticks, and the frames drawn from them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from qatflow.report.figures.svg import add, text

STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Maps `low..high` to `start..stop` user units, evenly or by logarithm."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of `value`."""
        low, high, value = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return self.start + (self.stop - self.start) * (value - low) / (high - low)

    def ticks(self, count: int = 4) -> list[float]:
        """Return about `count` round values inside the scale."""
        return self._log_ticks() if self.logarithmic else self._even_ticks(count)

    def _even_ticks(self, count: int) -> list[float]:
        raw = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(raw))
        step = power * min(STEPS, key=lambda s: abs(math.log(s * power / raw)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def _log_ticks(self) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        return [
            10.0**power * step for power in powers for step in STEPS[:3] if self.low <= 10.0**power * step <= self.high
        ]


def span(values: Sequence[float], margin: float = 0.08) -> tuple[float, float]:
    """Return the range of `values` with a margin on both sides, never empty."""
    low, high = min(values), max(values)
    pad = (high - low) * margin or abs(high) * margin or 1.0
    return low - pad, high + pad


def horizontal_axis(
    drawing: Element, scale: Scale, top: float, bottom: float, write: Callable[[float], str], title: str
) -> None:
    """Draw vertical grid lines from `top` to `bottom`, tick labels and the axis title below."""
    for tick in scale.ticks():
        x = scale(tick)
        add(drawing, "line", x1=x, x2=x, y1=top, y2=bottom, class_="grid")
        text(drawing, write(tick), (x, bottom + 14), "tick", "middle")
    middle = (scale.start + scale.stop) / 2
    text(drawing, title, (middle, bottom + 30), "label", "middle")


def vertical_axis(
    drawing: Element, scale: Scale, left: float, right: float, write: Callable[[float], str], title: str
) -> None:
    """Draw horizontal grid lines from `left` to `right`, tick labels, and the axis title above the ticks."""
    for tick in scale.ticks():
        y = scale(tick)
        add(drawing, "line", x1=left, x2=right, y1=y, y2=y, class_="grid")
        text(drawing, write(tick), (left - 6, y + 4), "tick", "end")
    text(drawing, title, (0, scale.stop - 10), "label")
