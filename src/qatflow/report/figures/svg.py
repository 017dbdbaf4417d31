"""Builds SVG trees. Colours are CSS classes of the page, so that one figure serves light and dark."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

WIDTH = 360
"""Width of a full figure in user units; text of 11 units stays readable on a phone."""
CHARACTER = 6.1
"""Mean advance of a character at 11 units."""


@dataclass(frozen=True)
class Figure:
    """A drawing with its finding as title and one sentence on how to read it; `svg` is escaped markup."""

    title: str
    note: str
    svg: str


def canvas(width: float, height: float, alt: str) -> Element:
    """Return an empty drawing; `alt` tells those who cannot see it what it shows."""
    return Element("svg", {"viewBox": f"0 0 {_plain(width)} {_plain(height)}", "role": "img", "aria-label": alt})


def add(parent: Element, tag: str, /, **attributes: str | float) -> Element:
    """Append an element. `class_` and `font_size` become `class` and `font-size`; numbers keep one decimal."""
    plain = {key.strip("_").replace("_", "-"): _plain(value) for key, value in attributes.items()}
    return SubElement(parent, tag, plain)


def text(
    parent: Element, words: str, at: tuple[float, float], style: str = "", anchor: str = "start", turned: bool = False
) -> Element:
    """Append a text with its baseline's `anchor` (start, middle, end) at `at`; `turned` lets it read upwards."""
    x, y = at
    element = add(parent, "text", x=x, y=y)
    element.text = words
    if anchor != "start":
        element.set("text-anchor", anchor)
    if style:
        element.set("class", style)
    if turned:
        element.set("transform", f"rotate(-90 {_plain(x)} {_plain(y)})")
    return element


def hint(mark: Element, words: str) -> None:
    """Show `words` while the pointer rests on a mark."""
    add(mark, "title").text = words


def polyline(points: Iterable[tuple[float, float]]) -> str:
    """Return points as the `points` attribute."""
    return " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)


def to_text(drawing: Element) -> str:
    """Return a drawing as markup, all texts escaped."""
    return tostring(drawing, encoding="unicode")


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 1):g}"
