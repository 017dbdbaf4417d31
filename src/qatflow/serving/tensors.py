"""Turns what a client sent into samples. Claims are checked against the bytes that came before anything is made."""

from __future__ import annotations

from itertools import chain
from math import isfinite, prod
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.serving.replies import RefusalError, shown
from qatflow.serving.served import Floats


def samples(values: Any, shape: tuple[int, ...], max_batch: int) -> Floats:
    """Return samples (n, *shape) float32 of nested JSON lists.

    Raises:
        RefusalError: 400 if they have another shape, are no finite numbers, or are none; 413 if they are too many.
    """
    flat = _flattened(values, shape)
    x = numbers(values if flat is None else flat)
    if flat is not None and x.ndim == 1:  # else the lists go deeper than the model's shape
        x = x.reshape(len(values), *shape)
    return finite(batch_of(x, shape, max_batch))


def _flattened(values: Any, shape: tuple[int, ...]) -> list[Any] | None:
    """Return nested lists (n, *shape) as one, None for others. NumPy takes four times as long for nested lists.

    Text and objects have lengths too, but hold no numbers, which `numbers` sees.
    """
    try:
        for size in shape:
            if set(map(len, values)) != {size}:
                return None
            values = list(chain.from_iterable(values))
    except TypeError:
        return None
    return values if isinstance(values, list) else None


def numbers(values: Any) -> Array:
    """Return an array of JSON lists of numbers.

    Raises:
        RefusalError: 400 if they are ragged, or hold what is no number.
    """
    if not isinstance(values, list):
        raise RefusalError(400, f"inputs are {shown(values)}; expected a list of samples")
    try:
        found = np.array(values)
    except (ValueError, OverflowError, RecursionError):
        raise RefusalError(400, "inputs are ragged: lists of one level differ in length") from None
    if found.dtype.kind not in "iuf" or (found.ndim == 1 and bool in set(map(type, values))):
        raise RefusalError(400, "inputs hold what is no number" if found.size else "inputs hold no sample")
    return found


def batch_of(x: Array, shape: tuple[int, ...], max_batch: int) -> Array:
    """Return `x` if it is (n, *shape) with 1 to `max_batch` samples.

    Raises:
        RefusalError: 400 if it has another shape or no sample, 413 if it has too many.
    """
    if x.shape[1:] != shape or not len(x):
        raise RefusalError(400, f"inputs have shape {list(x.shape)}; expected {['n', *shape]}".replace("'", ""))
    if len(x) > max_batch:
        raise RefusalError(413, f"{len(x)} samples in one request; at most {max_batch} are allowed")
    return x


def claimed_shape(claim: Any, shape: tuple[int, ...], max_batch: int) -> tuple[int, ...]:
    """Return the shape that a client claims for its tensor.

    Raises:
        RefusalError: 400 if it is no list of sizes or another shape, 413 for too many samples.
    """
    sizes = claim if isinstance(claim, list) else []
    if set(map(type, sizes)) != {int} or tuple(sizes[1:]) != shape or sizes[0] < 1:
        raise RefusalError(400, f"shape is {shown(claim)}; expected {['n', *shape]}".replace("'", ""))
    if sizes[0] > max_batch:
        raise RefusalError(413, f"{sizes[0]} samples in one request; at most {max_batch} are allowed")
    return tuple(sizes)


def shaped(x: Array, shape: tuple[int, ...]) -> Array:
    """Return flat or nested values in the claimed shape.

    Raises:
        RefusalError: 400 if their number or nesting is another.
    """
    if x.shape != shape and (x.ndim != 1 or x.size != prod(shape)):
        raise RefusalError(400, f"data have shape {list(x.shape)}, but shape says {list(shape)}")
    return x.reshape(shape)


def finite(x: Array) -> Floats:
    """Return float32 values.

    Raises:
        RefusalError: 400 for NaN, infinity, and what is beyond float32.
    """
    y = np.asarray(x, np.float32)
    total = float(np.add.reduce(y, axis=None))  # not finite if a value is not; a third of the time of asking each
    if not isfinite(total) and not np.isfinite(y).all():
        raise RefusalError(400, "inputs hold NaN, infinity or a value beyond float32")
    return y
