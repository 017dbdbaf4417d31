"""Whether two sides can be compared, and whether their difference is more than noise."""

import math
from dataclasses import dataclass

from qatflow.errors import ModelError
from qatflow.evaluation.significance import mcnemar
from qatflow.report import wording
from qatflow.report.compare.side import Model, Side

ALPHA = 0.05


@dataclass(frozen=True)
class Noise:
    """A verdict on a difference of scores: `real` is None where nothing known allows a test."""

    real: bool | None
    reason: str


def check_alike(a: Side, b: Side) -> None:
    """Check that two sides answer the same question.

    Raises:
        ModelError: If their tasks or classes differ; the message names both.
    """
    if a.task != b.task:
        raise ModelError(f"{a.path} and {b.path} cannot be compared: {a.task} is another task than {b.task}")
    if a.classes != b.classes:
        raise ModelError(
            f"{a.path} and {b.path} cannot be compared: they tell other classes apart, {_listed(a)} and {_listed(b)}"
        )


def noise_of_scores(a: Side, b: Side, one: Model, other: Model) -> Noise:
    """Judge the difference of the scores of two models, by the strongest test that what is known of them allows."""
    if one.sha256 == other.sha256:
        return Noise(False, "the same flatbuffer")
    if one.correct is not None and other.correct is not None and a.data_sha256 == b.data_sha256:
        p = mcnemar(one.correct, other.correct)
        return Noise(p < ALPHA, f"McNemar on the same {len(one.correct):,} samples: {wording.chance(p)}")
    if one.interval is None or other.interval is None:
        return Noise(None, "no intervals of these scores are known")
    low, high = newcombe((one.score, *one.interval), (other.score, *other.interval))
    data = "the same data" if a.data_sha256 == b.data_sha256 else "other data on each side"
    span = f"95 % interval of the difference {100 * low:+.1f} to {100 * high:+.1f} points"
    return Noise(not low <= 0 <= high, f"{span}, {data}")


def newcombe(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float]:
    """Return the 95 % interval of other's share less one's, from (share, low, high) with Wilson's bounds.

    Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17:873,
    1998, method 10. For two models on the same samples it is too wide: their errors go together.
    """
    (p1, l1, u1), (p2, l2, u2) = one, other
    difference = p2 - p1
    return difference - math.hypot(p2 - l2, u1 - p1), difference + math.hypot(u2 - p2, p1 - l1)


def noise_of_latency(one: Model, other: Model) -> Noise:
    """Judge two medians: noise if one run's lies between the other's median and 95th percentile."""
    if one.latency_us is None or other.latency_us is None:
        return Noise(None, "")
    (_, tail), (slow, _) = sorted((one.latency_us, other.latency_us), key=lambda times: times[0])
    if tail is None:
        return Noise(None, "timed in two runs")
    inside = slow <= tail
    return Noise(not inside, "timed in two runs" + (", inside the spread of the faster one" if inside else ""))


def _listed(side: Side) -> str:
    shown = ", ".join(side.classes[:4])
    return f"{len(side.classes)} ({shown}{', …' if len(side.classes) > 4 else ''})"
