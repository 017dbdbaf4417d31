"""A chart of several lines over epochs, each of which its key in the legend hides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes
from qatflow.report.figures.svg import CHARACTER, WIDTH, add, canvas, hint, polyline, text

COLOURED = 6
"""Lines with a colour of their own, the colours of style.css; all further ones are grey and share a key."""
DASHES = ("", "dash-1", "dash-2", "dash-3", "dash-1", "dash-2")
LONGEST_NAME = 22
LEFT, RIGHT, PLOT, LINE = 52.0, WIDTH - 10.0, 140.0, 18.0


@dataclass(frozen=True)
class Line:
    """A name with its values, one for each epoch from the first on."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Frame:
    """The axes of the chart.

    Attributes:
        title: Of the vertical axis, with the unit.
        write: How its ticks read.
        first: Number of the first epoch.
        across: Title of the horizontal axis.
    """

    title: str
    write: Callable[[float], str]
    first: int = 1
    across: str = "epoch"


def lines(shown: Sequence[Line], frame: Frame, alt: str) -> Element:
    """Draw the lines in their order of importance: the first six are coloured and dashed, the others grey."""
    keys = _keys(shown)
    top = LINE * (1 + keys[-1][1]) + 24
    drawing = canvas(WIDTH, top + PLOT + 40, alt)
    values = [value for line in shown for value in line.values]
    last = frame.first + max(len(line.values) for line in shown) - 1
    x = axes.Scale(frame.first, max(last, frame.first + 1), LEFT, RIGHT)
    y = axes.Scale(*axes.span(values), top + PLOT, top)
    axes.horizontal_axis(drawing, x, top, top + PLOT, _whole, frame.across)
    axes.vertical_axis(drawing, y, LEFT, RIGHT, frame.write, frame.title)
    for place, line in reversed(list(enumerate(shown))):
        points = polyline((x(frame.first + i), y(value)) for i, value in enumerate(line.values))
        number = min(place, COLOURED)
        mark = add(drawing, "polyline", points=points, class_=_style(number), data_series=str(number))
        hint(mark, f"{line.name}: {frame.write(line.values[0])} to {frame.write(line.values[-1])}")
    for name, row, left, number in keys:
        _draw_key(drawing, name, (left, LINE * row + 10), number)
    return drawing


def _keys(shown: Sequence[Line]) -> list[tuple[str, int, float, int]]:
    """Return (name, row of the legend, left edge, number of the series)."""
    names = [wording.clip(line.name, LONGEST_NAME) for line in shown[:COLOURED]]
    more = len(shown) - len(names)
    names += [f"{more} more"] if more else []
    return [(*placed, number) for number, placed in enumerate(place_keys(names))]


def place_keys(names: Sequence[str]) -> list[tuple[str, int, float]]:
    """Return (name, row of the legend, left edge) of each key, as many in a row as fit."""
    placed, row, left = [], 0, 2.0
    for name in names:
        width = 26 + len(name) * CHARACTER + 12
        if left > 2 and left + width > WIDTH:
            row, left = row + 1, 2.0
        placed.append((name, row, left))
        left += width
    return placed


def _draw_key(drawing: Element, name: str, at: tuple[float, float], number: int) -> None:
    x, y = at
    key = add(drawing, "g", class_="key", data_series=str(number), aria_label=name)
    add(key, "rect", x=x, y=y - 8, width=26 + len(name) * CHARACTER, height=16, class_="touch")
    add(key, "line", x1=x, x2=x + 20, y1=y, y2=y, class_=_style(number).removeprefix("series "))
    text(key, name, (x + 25, y + 4), "label")


def _style(number: int) -> str:
    return f"series series-{number} {DASHES[number]}".strip() if number < COLOURED else "series series-rest"


def _whole(tick: float) -> str:
    """Half epochs have no number."""
    return f"{tick:g}" if tick == int(tick) else ""
