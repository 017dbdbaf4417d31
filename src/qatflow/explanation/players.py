"""The players of an explanation: parts of an input that are present or absent together. Says nothing of any model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from qatflow.artifacts import Array

Kind = Literal["features", "windows", "patches"]


@dataclass(frozen=True, eq=False)
class Players:
    """How an input is divided.

    Attributes:
        kind: `features` of a table, `windows` of a series, `patches` of an image.
        owner: The player that each value of an input belongs to, of the input's shape, int64 from 0.
        grid: Rows and columns of players; (1, count) unless they are patches.
        names: What to call each player.
    """

    kind: Kind
    owner: Array
    grid: tuple[int, int]
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of players."""
        return len(self.names)

    def sums(self, values: Array) -> Array:
        """Return the sum over each player, (count,) float64, of values of the input's shape."""
        return np.bincount(self.owner.ravel(), weights=values.ravel().astype(np.float64), minlength=self.count)


def divide(shape: tuple[int, ...], most: int, features: Sequence[str] = ()) -> Players:
    """Divide inputs of a shape, without the batch.

    A table (features,) has one player a feature, however many. A series (steps, channels) has at most `most` windows of
    time, an image (rows, columns, channels) the finest grid of square patches with at most so many; over all channels.

    Args:
        shape: Of one input.
        most: Highest number of windows or patches, 1 or more.
        features: What to call a table's features; by default their numbers.
    """
    if len(shape) == 1:
        names = tuple(features) if len(features) == shape[0] else tuple(f"feature {i}" for i in range(shape[0]))
        return Players("features", np.arange(shape[0]), (1, shape[0]), names)
    side = _side(shape[:2] if len(shape) > 2 else (shape[0], 1), most)
    if len(shape) == 2:
        count = -(-shape[0] // side)
        names = tuple(_spans("step", shape[0], side))
        return Players("windows", _spread(np.arange(shape[0]) // side, shape), (1, count), names)
    rows, columns = (np.arange(length) // side for length in shape[:2])
    grid = int(rows[-1]) + 1, int(columns[-1]) + 1
    owner = rows[:, None] * grid[1] + columns
    across = _spans("column", shape[1], side)
    names = tuple(f"{down}, {over}" for down in _spans("row", shape[0], side) for over in across)
    return Players("patches", _spread(owner, shape), grid, names)


def _side(shape: tuple[int, ...], most: int) -> int:
    """Return the shortest side of square patches of which at most `most` cover the shape."""
    side = 1
    while prod(-(-length // side) for length in shape) > most:
        side += 1
    return side


def _spans(word: str, length: int, side: int) -> list[str]:
    """Say from where to where each patch reaches, both ends included, counted from 0."""
    ends = [(start, min(start + side, length) - 1) for start in range(0, length, side)]
    return [f"{word}s {start} to {end}" if end > start else f"{word} {start}" for start, end in ends]


def _spread(owner: Array, shape: tuple[int, ...]) -> Array:
    """Repeat over the axes that are not divided."""
    wide = owner.reshape(owner.shape + (1,) * (len(shape) - owner.ndim))
    return np.array(np.broadcast_to(wide, shape))
