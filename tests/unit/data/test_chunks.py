"""What every sample of every source must meet."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.chunks import read_chunks
from qatflow.errors import DataError

Y = np.array([0, 1])
X = np.zeros((2, 3), np.float32)


def _split(*chunks: tuple[Array, Array]) -> Iterator[Chunk]:
    return (Chunk(x, y) for x, y in chunks)


def _raw(*chunks: tuple[Array, Array], count: int | None = None) -> RawData:
    total = sum(len(x) for x, _ in chunks) if count is None else count
    return RawData({"all": partial(_split, *chunks)}, ("a", "b"), None, total, (Path("f"),))


def test_places_are_among_all_samples() -> None:
    raw = RawData({split: partial(_split, (X, Y), (X, Y)) for split in ("train", "test")}, ("a", "b"), None, 8, ())

    assert [(split, place) for split, place, _ in read_chunks(raw, "classification")] == [
        ("train", slice(0, 2)),
        ("train", slice(2, 4)),
        ("test", slice(4, 6)),
        ("test", slice(6, 8)),
    ]


@pytest.mark.parametrize(
    ("given", "stored"),
    [(bool, np.uint8), (">i2", "<i2"), (np.int8, np.int8), (np.float64, np.float32), (np.float16, np.float32)],
)
def test_stored_dtype(given: object, stored: object) -> None:
    (_, _, chunk), *_ = read_chunks(_raw((np.asfortranarray(X.astype(given)), Y)), "classification")

    assert chunk.x.dtype == np.dtype(stored)
    assert chunk.x.dtype.isnative
    assert chunk.x.flags.c_contiguous


def _with(value: float) -> Array:
    x = np.zeros((2, 3))
    x[1, 2] = value
    return x


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([(_with(np.nan), Y)], r"'all': sample 1 holds nan at \(2,\)"),
        ([(X, Y), (_with(-np.inf), Y)], r"'all': sample 3 holds -inf at \(2,\)"),
        ([(_with(1e39), Y)], "sample 1 holds inf"),
        (
            [(X, Y), (X[:, :2], Y)],
            r"from sample 2 on they have shape \(2,\) and dtype float32, the first one has \(3,\)",
        ),
        ([(X, Y), (X.astype(int), Y)], "dtype int64, the first one has .* float32"),
        ([(X.astype(str), Y)], "dtype <U32; expected integers, floats or booleans"),
        ([(X.astype(complex), Y)], "dtype complex128"),
        ([(X[:, 0], Y)], r"x has shape \(2,\); expected \(n, features\)"),
        ([(X[:, :0], Y)], r"x has shape \(2, 0\)"),
        ([(X, Y[:1])], "2 samples but 1 labels"),
        ([(X, Y), (X, np.array([1, 2]))], "sample 3 has label 2, out of range 0 to 1"),
        ([(X, np.array([-1, 0]))], "sample 0 has label -1, out of range 0 to 1"),
    ],
)
def test_refuses(chunks: list[tuple[Array, Array]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_chunks(_raw(*chunks), "classification"))


def test_refuses_targets_that_are_not_finite() -> None:
    with pytest.raises(DataError, match=r"labels: sample 1 holds nan"):
        list(read_chunks(_raw((X, np.array([[0], [np.nan]], np.float32))), "regression"))


@pytest.mark.parametrize("count", [1, 3])
def test_refuses_more_or_fewer_samples_than_announced(count: int) -> None:
    with pytest.raises(DataError, match=f"The {count} samples became more or fewer"):
        list(read_chunks(_raw((X, Y), count=count), "classification"))
