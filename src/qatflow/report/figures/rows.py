"""A chart with one named row per item: the frame shared by latency, recall, SQNR, LSB and class balance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes
from qatflow.report.figures.svg import CHARACTER, WIDTH, add, canvas, text

LONGEST_NAME = 24
FOOT = 40
RIGHT = 14


@dataclass(frozen=True)
class Axis:
    """The horizontal axis: range, how ticks read, and its title with the unit."""

    low: float
    high: float
    write: Callable[[float], str]
    title: str


@dataclass(frozen=True)
class Rows:
    """A drawing ready for marks: `scale` for x, `y[i]` the middle of row i, `height` of a row."""

    drawing: Element
    scale: axes.Scale
    y: tuple[float, ...]
    height: float


def rows(
    names: Sequence[str], axis: Axis, alt: str, height: float = 24, room_right: float = RIGHT, head: float = 4
) -> Rows:
    """Draw names, grid and axis; `room_right` and `head` are user units kept free for values and a legend."""
    labels = [wording.clip(name, LONGEST_NAME) for name in names]
    left = max(len(label) for label in labels) * CHARACTER + 10
    bottom = head + height * len(names)
    drawing = canvas(WIDTH, bottom + FOOT, alt)
    scale = axes.Scale(axis.low, axis.high, left, WIDTH - room_right)
    axes.horizontal_axis(drawing, scale, head, bottom, axis.write, axis.title)
    middles = tuple(head + height * (i + 0.5) for i in range(len(names)))
    for label, y in zip(labels, middles, strict=True):
        text(drawing, label, (left - 8, y + 4), anchor="end")
    return Rows(drawing, scale, middles, height)


def legend(drawing: Element, entries: Sequence[tuple[str, str]]) -> None:
    """Draw a line of keys at the top: (CSS class of the mark, word)."""
    x = 2.0
    for mark, word in entries:
        add(drawing, "circle", cx=x + 5, cy=9, r=5, class_=mark)
        text(drawing, word, (x + 15, 13), "label")
        x += 15 + len(word) * CHARACTER + 16
