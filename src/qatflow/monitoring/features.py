"""What is watched of an input: a few numbers a sample, whatever the size of the sample. No statistics of these."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array

MAX_COLUMNS = 64
"""Tables up to this width are watched column by column; wider rows are taken as a series."""
GRID, EMBEDDING_GRID = 4, 8
SERIES_WINDOWS, EMBEDDING_WINDOWS = 16, 64
WHOLE = ("mean", "std", "min", "max", "sharpness")


def feature_names(shape: Sequence[int], columns: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the features of one sample of `shape`.

    A table's features are its columns, called by their names where these are known. Images (h, w, c) and series (t, c)
    have five of the whole sample, in the data's own units (`sharpness` is the mean absolute difference of neighbours),
    then the mean of each patch of a grid of at most 4 by 4, or of each of at most 16 windows.
    """
    if _is_table(shape):
        return tuple(columns) if len(columns) == shape[0] else tuple(f"column {index}" for index in range(shape[0]))
    height, width, _ = _canonical(shape)
    rows, across = _cells(height, width, GRID, SERIES_WINDOWS)
    if width == 1:
        return WHOLE + tuple(f"window {row}" for row in range(rows))
    return WHOLE + tuple(f"patch {row},{column}" for row in range(rows) for column in range(across))


def describe(x: Array) -> Array:
    """Return the features (n, f) float32 of samples (n, *shape) float32."""
    if _is_table(x.shape[1:]):
        return np.asarray(x, np.float32)
    images = x.reshape(len(x), *_canonical(x.shape[1:]))
    flat = images.reshape(len(x), -1)
    whole = (flat.mean(axis=1), flat.std(axis=1), flat.min(axis=1), flat.max(axis=1), _sharpness(images))
    patches = _pooled(images, GRID, SERIES_WINDOWS).mean(axis=2)
    return np.column_stack((*whole, patches)).astype(np.float32, copy=False)


def embed(x: Array) -> Array:
    """Return samples (n, *shape) as vectors (n, e) float32 of at most 64 values a channel, for whole-input tests.

    Images are averaged down to 8 by 8, series to 64 steps; tables stay as they are.
    """
    if _is_table(x.shape[1:]):
        return np.asarray(x, np.float32)
    images = x.reshape(len(x), *_canonical(x.shape[1:]))
    return _pooled(images, EMBEDDING_GRID, EMBEDDING_WINDOWS).reshape(len(x), -1)


def _is_table(shape: Sequence[int]) -> bool:
    return len(shape) == 1 and shape[0] <= MAX_COLUMNS


def _canonical(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return any shape as (h, w, c); a series has w 1."""
    if len(shape) <= 1:
        return math.prod(shape), 1, 1
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    return shape[0], shape[1], math.prod(shape[2:])


def _cells(height: int, width: int, grid: int, windows: int) -> tuple[int, int]:
    return (min(height, windows), 1) if width == 1 else (min(height, grid), min(width, grid))


def _pooled(images: Array, grid: int, windows: int) -> Array:
    """Return the mean of each cell (n, cells, c) of images (n, h, w, c)."""
    count, height, width, channels = images.shape
    rows, columns = _cells(height, width, grid, windows)
    by_row = _means(images.reshape(count, height, width * channels), rows)
    return _means(by_row.reshape(count * rows, width, channels), columns).reshape(count, rows * columns, channels)


def _means(x: Array, cells: int) -> Array:
    """Return the means of as many nearly equal parts of the middle axis, (n, cells, k) float32, of (n, length, k)."""
    count, length, width = x.shape
    if length % cells == 0:  # a plain sum is four times as fast
        return np.asarray(x.reshape(count, cells, length // cells, width).mean(axis=2), np.float32)
    starts = np.arange(cells) * length // cells
    sizes = np.diff([*starts, length]).astype(np.float32)
    return np.asarray(np.add.reduceat(x, starts, axis=1) / sizes[:, None], np.float32)


def _sharpness(images: Array) -> Array:
    """Return the mean absolute difference of neighbours along both axes, (n,)."""
    both = (images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1])
    sums = [np.abs(steps, out=steps).reshape(len(images), -1).sum(axis=1) for steps in both]
    pairs = max(1, sum(steps[0].size for steps in both))
    return np.asarray((sums[0] + sums[1]) / np.float32(pairs))
