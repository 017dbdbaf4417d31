"""Drawing splits."""

import numpy as np
import pytest

from qatflow.artifacts import Array
from qatflow.data.index import DIGEST, Index
from qatflow.data.splits import TEST, TRAIN, UNUSED, VAL, assign_splits, cap, carve, strata_of
from qatflow.params import DataParams


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _index(y: Array, task: str = "classification", **counts: int) -> Index:
    return Index(task, counts or {"all": len(y)}, y, np.zeros(len(y), DIGEST), (1,), np.dtype(np.float32))


def _table(splits: Array, y: Array) -> list[list[int]]:
    return [[int(((splits == split) & (y == name)).sum()) for name in np.unique(y)] for split in (TRAIN, VAL, TEST)]


def test_carve_gives_each_class_its_shares() -> None:
    y = np.repeat([0, 1], [1000, 10])

    assert _table(carve(y, _rng(), 0.15, 0.2), y) == [[650, 6], [150, 2], [200, 2]]


def test_carve_gives_each_split_one_of_a_rare_class() -> None:
    y = np.repeat([0, 1], [300, 3])

    assert _table(carve(y, _rng(), 0.01, 0.01), y) == [[294, 1], [3, 1], [3, 1]]


def test_carve_leaves_out_a_split_of_share_0() -> None:
    y = np.zeros(10, int)

    assert _table(carve(y, _rng(), 0.0, 0.2), y) == [[8], [0], [2]]


def test_carve_is_decided_by_the_seed() -> None:
    y = np.arange(300) % 3

    assert np.array_equal(carve(y, _rng(1), 0.2, 0.2), carve(y, _rng(1), 0.2, 0.2))
    assert not np.array_equal(carve(y, _rng(1), 0.2, 0.2), carve(y, _rng(2), 0.2, 0.2))


def test_given_splits_are_kept_and_val_is_carved_from_train() -> None:
    y = np.arange(60) % 2
    splits = assign_splits(_index(y, train=40, test=20), DataParams(val_fraction=0.2, test_fraction=0.5), _rng())

    assert (splits[40:] == TEST).all()
    assert _table(splits[:40], y[:40]) == [[16, 16], [4, 4], [0, 0]]


def test_given_val_is_kept() -> None:
    splits = assign_splits(_index(np.zeros(9, int), train=4, val=3, test=2), DataParams(), _rng())

    assert splits.tolist() == [TRAIN] * 4 + [VAL] * 3 + [TEST] * 2


def test_anomalies_go_to_test() -> None:
    y = np.repeat([0, 1], [20, 5])
    splits = assign_splits(_index(y, "anomaly"), DataParams(task="anomaly", val_fraction=0.2), _rng())

    assert _table(splits, y) == [[12, 0], [4, 0], [4, 5]]


def test_regression_has_one_stratum() -> None:
    assert strata_of(np.zeros((4, 2), np.float32)).tolist() == [0, 0, 0, 0]
    assert strata_of(np.array([2, 1])).tolist() == [2, 1]


@pytest.mark.parametrize(("limit", "table"), [(100, [[90, 10]]), (30, [[27, 3]]), (12, [[10, 2]]), (2, [[1, 1]])])
def test_cap_keeps_shares_and_every_class(limit: int, table: list[list[int]]) -> None:
    y = np.repeat([0, 1], [90, 10])
    splits = cap(np.full(100, TEST, np.int8), y, limit, _rng())

    assert _table(splits, y)[TEST:] == table
    assert (splits == UNUSED).sum() == 100 - min(limit, 100)
