"""Latency of every variant beside the float model's."""

from collections.abc import Sequence
from dataclasses import dataclass

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, text, to_text


@dataclass(frozen=True)
class Timing:
    """Median and 95th percentile of single-sample inference, in microseconds."""

    name: str
    p50_us: float
    p95_us: float


def latency(reference: Timing, timings: Sequence[Timing], threads: int) -> Figure:
    """Draw a bar to each median and a line on to the 95th percentile; `reference` is the float model."""
    everyone = [reference, *timings]
    alt = "; ".join(f"{t.name}: median {wording.latency(t.p50_us)}, p95 {wording.latency(t.p95_us)}" for t in everyone)
    axis = rows.Axis(0, max(t.p95_us for t in everyone) * 1.02, _tick, "microseconds per inference")
    chart = rows.rows([t.name for t in everyone], axis, f"Latency. {alt}.", room_right=9 * CHARACTER)
    for timing, y in zip(everyone, chart.y, strict=True):
        left, middle, right = (chart.scale(value) for value in (0, timing.p50_us, timing.p95_us))
        style = "bar-quiet" if timing is reference else "bar"
        add(chart.drawing, "rect", x=left, y=y - 6, width=middle - left, height=12, class_=style)
        add(chart.drawing, "line", x1=middle, x2=right, y1=y, y2=y, class_="whisker")
        text(chart.drawing, wording.latency(timing.p50_us), (right + 5, y + 4), "tick")
    note = f"Bars: median; lines: to the 95th percentile. One sample at a time, {threads} thread{'s' * (threads > 1)}."
    return Figure(_title(reference, timings), note, to_text(chart.drawing))


def _tick(value: float) -> str:
    return f"{value:g}"


def _title(reference: Timing, timings: Sequence[Timing]) -> str:
    best = min(timings, key=lambda timing: timing.p50_us)
    return f"{best.name} is fastest, {wording.than_float(wording.faster(best.p50_us / reference.p50_us))}"
