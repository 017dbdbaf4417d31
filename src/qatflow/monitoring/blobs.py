"""Rows of arrays as bytes in a database, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array


def as_blobs(array: Array) -> list[bytes]:
    """Return each row of (n, ...) as bytes."""
    content = np.ascontiguousarray(array).tobytes()
    size = len(content) // max(1, len(array))
    return [content[start : start + size] for start in range(0, len(content), size)] if size else [b""] * len(array)


def small(x: Array) -> Array:
    """Return inputs as uint8 where they are whole numbers from 0 to 255, which takes a quarter of the room."""
    if x.size and x.min() >= 0 and x.max() <= 255:
        whole = x.astype(np.uint8)
        if np.array_equal(whole, x):
            return whole
    return np.asarray(x, np.float32)


def stacked(blobs: Sequence[bytes], shape: tuple[int, ...]) -> Array:
    """Return blobs as (n, *shape) float32; those of a quarter of the bytes are uint8."""
    if not blobs:
        return np.zeros((0, *(max(size, 0) for size in shape)), np.float32)
    size = int(np.prod(shape))
    kinds = [np.uint8 if len(blob) == size else np.float32 for blob in blobs]
    return np.stack([np.frombuffer(*pair).astype(np.float32).reshape(shape) for pair in zip(blobs, kinds, strict=True)])
