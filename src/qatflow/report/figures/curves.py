"""Learning curves of one training run."""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes
from qatflow.report.figures.svg import CHARACTER, Figure, add, canvas, polyline, text, to_text

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 300, 180, 48, 34, 142
RIGHT = WIDTH - 10
STYLES = ("line-train", "line-val")

History = Sequence[Mapping[str, float]]


def curves(name: str, history: History, metric: str) -> Figure:
    """Draw `metric` and `val_metric` of each epoch, both or the one there is; the dot is the best epoch of the last."""
    keys = [key for key in (metric, f"val_{metric}") if key in history[0]]
    x = axes.Scale(1, max(len(history), 2), LEFT, RIGHT)
    y = axes.Scale(*axes.span([epoch[key] for epoch in history for key in keys]), BOTTOM, TOP)
    best = _best(history, keys[-1])
    finding = _finding(name, keys[-1], history[best][keys[-1]], f"epoch {best + 1} of {len(history)}")
    drawing = canvas(WIDTH, HEIGHT, f"Learning curve. {finding}.")
    _frame(drawing, x, y, keys)
    for style, key in zip(STYLES, keys, strict=False):
        points = [(x(i + 1), y(epoch[key])) for i, epoch in enumerate(history)]
        add(drawing, "polyline", points=polyline(points), class_=style)
    add(drawing, "circle", cx=x(best + 1), cy=y(history[best][keys[-1]]), r=4, class_="mark-passed")
    return Figure(finding, "", to_text(drawing))


def _best(history: History, key: str) -> int:
    values = [epoch[key] for epoch in history]
    return values.index(min(values) if key.endswith("loss") else max(values))


def _finding(name: str, key: str, value: float, epoch: str) -> str:
    words = wording.percent(value) if key.endswith("accuracy") else wording.number(value)
    return f"{name}: best {_plain(key)} {words} in {epoch}"


def _frame(drawing: Element, x: axes.Scale, y: axes.Scale, keys: Sequence[str]) -> None:
    value = wording.round_percent if keys[0].endswith("accuracy") else wording.number
    axes.horizontal_axis(drawing, x, TOP, BOTTOM, _epoch, "epoch")
    axes.vertical_axis(drawing, y, LEFT, RIGHT, value, "")
    left = 2.0
    for style, key in zip(STYLES, keys, strict=False):
        add(drawing, "line", x1=left, x2=left + 18, y1=10, y2=10, class_=style)
        text(drawing, _plain(key), (left + 23, 14), "label")
        left += 37 + len(_plain(key)) * CHARACTER


def _plain(key: str) -> str:
    return key.replace("val_", "validation ")


def _epoch(tick: float) -> str:
    """Half epochs have no number."""
    return f"{tick:g}" if tick == int(tick) else ""
