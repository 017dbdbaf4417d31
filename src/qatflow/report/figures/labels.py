"""Places names beside points so that they cover neither each other nor the points, as far as there is room."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap

from qatflow.report import wording
from qatflow.report.figures.svg import CHARACTER

LONGEST = 22
HEIGHT = 12.0
GAP = 13.0
NEAR = 14.0
"""A name whose baseline lies farther from its point than this needs a line to it."""

LIFTS = (-12, 20, -24, 32, -38, 46, -52, 60)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Place:
    """Where a text begins, or ends: baseline position and SVG text anchor."""

    x: float
    y: float
    anchor: str


def place(names: Sequence[str], points: Sequence[tuple[float, float]], frame: Box) -> list[Place]:
    """Give each name the candidate position with the least overlap, first come first served.

    `frame` is left, top, right, bottom in user units.
    """
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    places = []
    for name, (x, y) in zip(names, points, strict=True):
        width = len(wording.clip(name, LONGEST)) * CHARACTER
        options = [(option, _box(option, width)) for option in _candidates(x, y)]
        best, box = min(options, key=lambda option: _cost(option[1], taken, frame))
        taken.append(box)
        places.append(best)
    return places


def _candidates(x: float, y: float) -> list[Place]:
    sides = [(GAP, "start"), (-GAP, "end")]
    near = [Place(x + shift, y + 4, anchor) for shift, anchor in sides]
    stacked = [Place(x, y + shift, "middle") for shift in (-GAP, GAP + 9)]
    diagonal = [Place(x + s * 0.6, y + lift, anchor) for lift in LIFTS for s, anchor in sides]
    return near + stacked + diagonal


def _box(option: Place, width: float) -> Box:
    left = option.x - {"start": 0.0, "middle": width / 2, "end": width}[option.anchor]
    return left - CHARACTER / 2, option.y - HEIGHT + 2, left + width + CHARACTER / 2, option.y + 2


def _cost(box: Box, taken: Sequence[Box], frame: Box) -> float:
    outside = (box[2] - box[0]) * HEIGHT - _overlap(box, frame)
    return 4 * outside + sum(starmap(_overlap, ((box, other) for other in taken)))


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
