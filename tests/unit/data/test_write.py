"""The second pass reads what the first one checked, or nothing is written."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qatflow.data.base import Chunk, RawData
from qatflow.data.index import build_index
from qatflow.data.shards import ShardReader
from qatflow.data.splits import UNUSED
from qatflow.data.write import write_splits
from qatflow.errors import DataError
from qatflow.progress import silent

X = np.arange(30, dtype=np.float32).reshape(10, 3)
Y = np.arange(10) % 2


def _raw(x: np.ndarray = X) -> RawData:
    return RawData({"all": partial(iter, [Chunk(x[:6], Y[:6]), Chunk(x[6:], Y[6:])])}, ("a", "b"), None, len(x), ())


def test_writes_each_split_and_measures_train(tmp_path: Path) -> None:
    splits = np.array([0, 0, 1, 1, 2, 2, UNUSED, 0, 1, 2], np.int8)
    index = build_index(_raw(), "classification", silent)
    steps: list[tuple[str, int, int]] = []
    rng = np.random.default_rng(0)
    moments = write_splits(_raw(), index, splits, rng, tmp_path, lambda *step: steps.append(step))

    for split, name in enumerate(("train", "val", "test")):
        reader = ShardReader(tmp_path / name)
        order = np.argsort(reader.rows(np.arange(3))[:, 0])
        assert np.array_equal(reader.rows(order), X[splits == split])
        assert np.array_equal(reader.y[order], Y[splits == split])
    assert moments.mean.tolist() == X[splits == 0].mean(axis=0).tolist()
    assert steps == [("writing data", 6, 10), ("writing data", 10, 10)]


def test_refuses_other_samples_than_the_first_pass_saw(tmp_path: Path) -> None:
    index = build_index(_raw(), "classification", silent)
    changed = X.copy()
    changed[8, 1] = 99
    with pytest.raises(DataError, match="Samples changed while they were read, from 6 on"):
        write_splits(_raw(changed), index, np.zeros(10, np.int8), np.random.default_rng(0), tmp_path, silent)
