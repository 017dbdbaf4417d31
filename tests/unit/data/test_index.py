"""The first pass."""

from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from qatflow.data.base import Chunk, RawData
from qatflow.data.index import build_index, sample_digests
from qatflow.errors import DataError
from qatflow.progress import silent

X = np.arange(12, dtype=np.int16).reshape(4, 3)
Y = np.array([0, 1, 1, 0])


def _raw(splits: tuple[str, ...], count: int) -> RawData:
    return RawData({split: partial(iter, [Chunk(X, Y)]) for split in splits}, ("a", "b"), None, count, (Path("f.csv"),))


def test_digest_is_blake2b_of_the_sample() -> None:
    digests = sample_digests(X)

    assert digests.shape == (4,)
    assert digests[2].tobytes() == blake2b(X[2].tobytes(), digest_size=16).digest()


def test_index_keeps_labels_digests_and_counts() -> None:
    seen: list[tuple[str, int, int]] = []
    index = build_index(_raw(("train", "test"), 8), "classification", lambda *step: seen.append(step))

    assert index.counts == {"train": 4, "test": 4}
    assert index.y.tolist() == [*Y, *Y]
    assert np.array_equal(index.digests, np.tile(sample_digests(X), 2))
    assert (index.x_shape, index.x_dtype) == ((3,), np.int16)
    assert seen == [("checking data", 4, 8), ("checking data", 8, 8)]


def test_describes_where_a_sample_stands() -> None:
    index = build_index(_raw(("train", "test"), 8), "classification", silent)

    assert [index.describe(position) for position in (0, 3, 4, 7)] == [
        "train sample 0",
        "train sample 3",
        "test sample 0",
        "test sample 3",
    ]
    assert build_index(_raw(("all",), 4), "classification", silent).describe(3) == "sample 3"


def test_empty_set_is_refused() -> None:
    with pytest.raises(DataError, match=r"The data set is empty: no sample in f\.csv"):
        build_index(_raw((), 0), "classification", silent)
