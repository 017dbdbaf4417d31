"""What a score costs: size, compressed size or latency against the score of every variant and of the float model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes, labels
from qatflow.report.figures.svg import WIDTH, Figure, add, canvas, hint, polyline, text, to_text

HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 290, 52, 30, 252, WIDTH - 12
RADIUS = 6


@dataclass(frozen=True)
class Cost:
    """What is paid for a score: the axis' title, how values and ticks read.

    `compare` says how a ratio to the float model's reads; None where the figure itself is told.
    """

    name: str
    axis: str
    write: Callable[[float], str]
    tick: Callable[[float], str]
    compare: Callable[[float], str] | None


SIZE = Cost("Size", "size of the flatbuffer (logarithmic)", wording.size, wording.round_size, wording.smaller)
COMPRESSED = Cost("Compressed size", "size by zstd (logarithmic)", wording.size, wording.round_size, None)
LATENCY = Cost("Latency", "median latency (logarithmic)", wording.latency, wording.latency, None)


@dataclass(frozen=True)
class Point:
    """A flatbuffer: what it costs, its score with the 95 % interval, if there is one, and what became of it.

    `against` says where its score stands against the float model's, if that is known.
    """

    name: str
    cost: float
    score: float
    interval: tuple[float, float] | None
    status: Literal["float", "champion", "passed", "refused"]
    against: str = ""


def tradeoff(points: Sequence[Point], score: wording.Score, cost: Cost = SIZE) -> Figure:
    """Plot cost (logarithmic) against score; filled marks passed the gates, hollow ones did not.

    A line joins the front: the points than which no other is both as cheap and as good.
    """
    described = "; ".join(_describe(p, score, cost) for p in points)
    drawing = canvas(WIDTH, HEIGHT, f"{cost.name} against {score.name}. {described}.")
    costs = [point.cost for point in points]
    x = axes.Scale(min(costs) / 1.5, max(costs) * 1.5, LEFT, RIGHT, logarithmic=True)
    y = axes.Scale(*axes.span([bound for p in points for bound in (p.score, *(p.interval or ()))]), BOTTOM, TOP)
    axes.horizontal_axis(drawing, x, TOP, BOTTOM, cost.tick, cost.axis)
    axes.vertical_axis(drawing, y, LEFT, RIGHT, score.tick, f"{score.name} (axis does not start at 0)")
    joined = polyline((x(point.cost), y(point.score)) for point in front(points))
    add(drawing, "polyline", points=joined, class_="front")
    _draw_intervals(drawing, points, x, y)
    places = [(x(point.cost), y(point.score)) for point in points]
    hollow_last = sorted(zip(points, places, strict=True), key=lambda pair: pair[0].status == "refused")
    for point, place in hollow_last:
        hint(_draw_mark(drawing, point, place), _describe(point, score, cost))
    _draw_names(drawing, [point.name for point in points], places)
    return Figure(_title(points, score, cost), _note(points), to_text(drawing))


def front(points: Sequence[Point]) -> list[Point]:
    """Return the Pareto front, cheapest first: each point is better than all that cost less."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.score)):
        if not found or point.score > found[-1].score:
            found.append(point)
    return found


def _draw_intervals(drawing: Element, points: Sequence[Point], x: axes.Scale, y: axes.Scale) -> None:
    for point in points:
        if point.interval:
            middle, (low, high) = x(point.cost), point.interval
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


def _describe(point: Point, score: wording.Score, cost: Cost) -> str:
    return f"{point.name}: {cost.write(point.cost)}, {score.value(point.score)}, {point.status}"


def _title(points: Sequence[Point], score: wording.Score, cost: Cost) -> str:
    reference = next((point for point in points if point.status == "float"), None)
    kept = [point for point in points if point.status in {"passed", "champion"}]
    if not kept:
        return "No variant is both small and good enough"
    best = next((point for point in kept if point.status == "champion"), max(kept, key=lambda point: point.score))
    if reference is None or cost.compare is None:
        return f"{best.name} has {cost.name.lower()} {cost.write(best.cost)}, {score.noun} {score.value(best.score)}"
    ratio = cost.compare(best.cost / reference.cost)
    return f"{best.name} is {ratio}, its {score.noun} {best.against or score.value(best.score)}"


def _note(points: Sequence[Point]) -> str:
    intervals = " Bars are 95 % intervals." if any(point.interval for point in points) else ""
    grey = "; grey: float" if any(point.status == "float" for point in points) else ""
    return f"Up and left is better. Filled: passed; hollow: refused; ringed: champion{grey}; joined: front.{intervals}"
