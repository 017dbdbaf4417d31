"""Whether a classifier is as sure as it is right: the reliability diagram of Guo et al. (ICML 2017)."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from qatflow.evaluation.calibration import Bin
from qatflow.report import wording
from qatflow.report.figures import axes
from qatflow.report.figures.svg import WIDTH, Figure, add, canvas, hint, to_text

LEFT, TOP = 52.0, 30.0
SIDE = WIDTH - LEFT - 14
CALIBRATED = 0.02


def reliability(name: str, bins: Sequence[Bin]) -> Figure:
    """Draw accuracy over confidence, one bar a bin; the diagonal is a perfect model."""
    title = _title(name, bins)
    drawing = canvas(WIDTH, TOP + SIDE + 40, f"Reliability diagram. {title}.")
    x = axes.Scale(0, 1, LEFT, LEFT + SIDE)
    y = axes.Scale(0, 1, TOP + SIDE, TOP)
    axes.horizontal_axis(drawing, x, TOP, TOP + SIDE, wording.round_percent, "confidence")
    axes.vertical_axis(drawing, y, LEFT, LEFT + SIDE, wording.round_percent, "share that is right")
    most = max(found.count for found in bins)
    for found in bins:
        _draw_bar(drawing, found, (x, y), most)
    add(drawing, "line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="diagonal")
    note = "Bars below the line: surer than right; above it: righter than sure. Wide bars hold many samples."
    return Figure(title, note, to_text(drawing))


def _draw_bar(drawing: Element, found: Bin, scales: tuple[axes.Scale, axes.Scale], most: int) -> None:
    if found.accuracy is None or found.confidence is None:
        return
    x, y = scales
    width = (x(found.high) - x(found.low) - 1) * max(0.25, (found.count / most) ** 0.5)
    left, top = x((found.low + found.high) / 2) - width / 2, y(found.accuracy)
    bar = add(drawing, "rect", x=left, y=top, width=width, height=y(0) - top, class_="bar")
    sure, right = wording.percent(found.confidence), wording.percent(found.accuracy)
    hint(bar, f"{found.count} samples, sure to {sure}, right on {right}")


def gap(bins: Sequence[Bin]) -> float:
    """Return mean confidence less accuracy over all samples; positive if the model is too sure."""
    held = [found for found in bins if found.accuracy is not None and found.confidence is not None]
    total = sum(found.count for found in held)
    return sum(found.count * ((found.confidence or 0.0) - (found.accuracy or 0.0)) for found in held) / total


def _title(name: str, bins: Sequence[Bin]) -> str:
    off = gap(bins)
    if abs(off) < CALIBRATED:
        return f"{name} is about as sure as it is right"
    return f"{name} is too {'sure' if off > 0 else 'unsure'}, by {wording.percent(abs(off))} on average"
