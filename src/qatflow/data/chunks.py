"""Reads a source's chunks and checks what every sample must meet: finite, one shape and dtype, fitting labels."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.errors import DataError


def read_chunks(raw: RawData, task: str) -> Iterator[tuple[str, slice, Chunk]]:
    """Yield split, place among all samples, and chunk; x C-contiguous, native, floats as float32, booleans as uint8.

    Raises:
        DataError: At the first sample that breaks a rule, naming split and index; or if there are more or fewer
            samples than the source announced.
    """
    first: Array | None = None
    total = 0
    for split, read in raw.splits.items():
        start = total
        for chunk in read():
            x = _stored(f"split '{split}'", chunk.x)
            first = x[:1] if first is None else first
            _check_kind(split, total - start, x, first)
            _check_finite(f"split '{split}'", total - start, x)
            _check_labels(f"split '{split}'", total - start, Chunk(x, chunk.y), raw, task)
            _check_count(total + len(x) <= raw.count, raw.count)
            yield split, slice(total, total + len(x)), Chunk(x, chunk.y)
            total += len(x)
    _check_count(total == raw.count, raw.count)


def _stored(where: str, x: Array) -> Array:
    if x.dtype.kind not in "biuf":
        raise DataError(f"{where}: dtype {x.dtype}; expected integers, floats or booleans")
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise DataError(f"{where}: x has shape {x.shape}; expected (n, features) or (n, height, width, channels)")
    stored: dict[str, np.dtype[Any]] = {"b": np.dtype(np.uint8), "f": np.dtype(np.float32)}
    dtype = stored.get(x.dtype.kind, x.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf, and is refused below
        return x.astype(dtype, order="C", copy=False)


def _check_kind(split: str, start: int, x: Array, first: Array) -> None:
    if (x.shape[1:], x.dtype) != (first.shape[1:], first.dtype):
        raise DataError(
            f"split '{split}': from sample {start} on they have shape {x.shape[1:]} and dtype {x.dtype}, "
            f"the first one has {first.shape[1:]} and {first.dtype}"
        )


def _check_finite(where: str, start: int, values: Array) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row, *place = np.argwhere(~np.isfinite(values))[0].tolist()
        raise DataError(
            f"{where}: sample {start + row} holds {values[row][tuple(place)]} at {tuple(place)}; "
            f"expected finite float32 values"
        )


def _check_labels(where: str, start: int, chunk: Chunk, raw: RawData, task: str) -> None:
    y = chunk.y
    if len(y) != len(chunk.x):
        raise DataError(f"{where}: {len(chunk.x)} samples but {len(y)} labels")
    if y.ndim > 1:
        _check_finite(f"{where}, labels", start, y)
        return
    limit = len(raw.class_names) if task == "classification" else 2
    if len(y) and (y.min() < 0 or y.max() >= limit):
        row = int(np.argmax((y < 0) | (y >= limit)))
        raise DataError(f"{where}: sample {start + row} has label {y[row]}, out of range 0 to {limit - 1}")


def _check_count(as_announced: bool, count: int) -> None:
    if not as_announced:
        raise DataError(f"The {count} samples became more or fewer while they were read; run again when nothing writes")
