"""Size against score of every variant and of the float model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes, labels
from qatflow.report.figures.svg import WIDTH, Figure, add, canvas, hint, text, to_text

HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 290, 52, 30, 252, WIDTH - 12
RADIUS = 6


@dataclass(frozen=True)
class Point:
    """A flatbuffer: its score with the 95 % interval, if there is one, and what became of it."""

    name: str
    size_bytes: int
    score: float
    interval: tuple[float, float] | None
    status: Literal["float", "champion", "passed", "refused"]


def tradeoff(points: Sequence[Point], score: wording.Score) -> Figure:
    """Plot size (bytes, logarithmic) against score; filled marks passed the gates, hollow ones did not."""
    drawing = canvas(WIDTH, HEIGHT, f"Size against {score.name}. {'; '.join(_describe(p, score) for p in points)}.")
    sizes = [point.size_bytes for point in points]
    x = axes.Scale(min(sizes) / 1.5, max(sizes) * 1.5, LEFT, RIGHT, logarithmic=True)
    y = axes.Scale(*axes.span([bound for p in points for bound in (p.score, *(p.interval or ()))]), BOTTOM, TOP)
    axes.horizontal_axis(drawing, x, TOP, BOTTOM, wording.round_size, "size of the flatbuffer (logarithmic)")
    axes.vertical_axis(drawing, y, LEFT, RIGHT, score.tick, f"{score.name} (axis does not start at 0)")
    _draw_intervals(drawing, points, x, y)
    places = [(x(point.size_bytes), y(point.score)) for point in points]
    hollow_last = sorted(zip(points, places, strict=True), key=lambda pair: pair[0].status == "refused")
    for point, place in hollow_last:
        hint(_draw_mark(drawing, point, place), _describe(point, score))
    _draw_names(drawing, [point.name for point in points], places)
    return Figure(_title(points, score), _note(points), to_text(drawing))


def _draw_intervals(drawing: Element, points: Sequence[Point], x: axes.Scale, y: axes.Scale) -> None:
    for point in points:
        if point.interval:
            middle, (low, high) = x(point.size_bytes), point.interval
            add(drawing, "line", x1=middle, x2=middle, y1=y(low), y2=y(high), class_="whisker")


def _draw_mark(drawing: Element, point: Point, place: tuple[float, float]) -> Element:
    x, y = place
    if point.status == "champion":
        add(drawing, "circle", cx=x, cy=y, r=RADIUS + 4, class_="ring")
    return add(drawing, "circle", cx=x, cy=y, r=RADIUS, class_=f"mark-{point.status}")


def _draw_names(drawing: Element, names: Sequence[str], places: Sequence[tuple[float, float]]) -> None:
    chosen = labels.place(names, places, (LEFT, TOP, RIGHT, BOTTOM))
    for name, (x, y), label in zip(names, places, chosen, strict=True):
        if abs(label.y - y) > labels.NEAR:
            add(drawing, "line", x1=x, x2=label.x, y1=y, y2=label.y - 4, class_="leader")
        text(drawing, wording.clip(name, labels.LONGEST), (label.x, label.y), "halo", label.anchor)


def _describe(point: Point, score: wording.Score) -> str:
    return f"{point.name}: {wording.size(point.size_bytes)}, {score.value(point.score)}, {point.status}"


def _title(points: Sequence[Point], score: wording.Score) -> str:
    reference = next(point for point in points if point.status == "float")
    kept = [point for point in points if point.status in {"passed", "champion"}]
    if not kept:
        return "No variant is both small and good enough"
    best = next((point for point in kept if point.status == "champion"), max(kept, key=lambda point: point.score))
    ratio = wording.smaller(best.size_bytes / reference.size_bytes)
    return f"{best.name} is {ratio}, its {score.noun} {score.against_float(best.score - reference.score)}"


def _note(points: Sequence[Point]) -> str:
    intervals = " Lines are 95 % intervals." if any(point.interval for point in points) else ""
    return f"Up and left is better. Filled: passed; hollow: refused; ringed: the champion; grey: float.{intervals}"
