"""Drawing splits."""

import numpy as np
import pytest
from scipy.stats import kstest

from qatflow.artifacts import Array
from qatflow.data.index import DIGEST, Index
from qatflow.data.splits import TEST, TRAIN, UNUSED, VAL, assign_splits, cap, carve, places_of, strata_of
from qatflow.params.data import DataParams


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _index(y: Array, task: str = "classification", **counts: int) -> Index:
    return Index(task, counts or {"all": len(y)}, y, *_described(len(y)))


def _described(count: int) -> tuple[Array, tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(_rng(1).bytes(16 * count), DIGEST), (1,), np.dtype(np.float32)


def _table(splits: Array, y: Array) -> list[list[int]]:
    return [[int(((splits == split) & (y == name)).sum()) for name in np.unique(y)] for split in (TRAIN, VAL, TEST)]


def _places(count: int, seed: int = 0) -> Array:
    return places_of(np.frombuffer(_rng(1).bytes(16 * count), DIGEST), seed)


def test_places_are_uniform_and_each_seed_has_its_own() -> None:
    a, b = _places(20_000), _places(20_000, 1)

    assert kstest(a, "uniform").pvalue > 0.01
    assert kstest(b, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert np.array_equal(a, _places(20_000))


def test_carve_gives_each_class_its_shares() -> None:
    y = np.repeat([0, 1], [10_000, 100])
    train, val, test = np.array(_table(carve(y, _places(len(y)), 0.15, 0.2), y)) / [10_000, 100]

    assert train == pytest.approx([0.65, 0.65], abs=0.1)
    assert val == pytest.approx([0.15, 0.15], abs=0.1)
    assert test == pytest.approx([0.2, 0.2], abs=0.1)


def test_a_sample_keeps_its_side_whatever_comes_and_goes() -> None:
    y, places = np.arange(900) % 3, _places(900)
    before, order = carve(y, places, 0.15, 0.2), _rng().permutation(900)[:500]

    assert np.array_equal(carve(y[order], places[order], 0.15, 0.2), before[order])


@pytest.mark.parametrize("seed", range(20))
def test_carve_gives_each_split_one_of_a_rare_class(seed: int) -> None:
    y = np.repeat([0, 1], [300, 3])
    table = _table(carve(y, _places(len(y), seed), 0.01, 0.01), y)

    assert [row[1] for row in table] == [1, 1, 1]


def test_carve_leaves_out_a_split_of_share_0() -> None:
    y = np.zeros(10, int)

    assert not (carve(y, _places(10), 0.0, 0.2) == VAL).any()


def test_given_splits_are_kept_and_val_is_carved_from_train() -> None:
    y = np.arange(600) % 2
    index = Index("classification", {"train": 400, "test": 200}, y, *_described(600))
    splits = assign_splits(index, DataParams(val_fraction=0.2, test_fraction=0.5), 0)

    assert (splits[400:] == TEST).all()
    assert not (splits[:400] == TEST).any()
    assert np.mean(splits[:400] == VAL) == pytest.approx(0.2, abs=0.06)


def test_given_val_is_kept() -> None:
    splits = assign_splits(_index(np.zeros(9, int), train=4, val=3, test=2), DataParams(), 0)

    assert splits.tolist() == [TRAIN] * 4 + [VAL] * 3 + [TEST] * 2


def test_anomalies_go_to_test() -> None:
    y = np.repeat([0, 1], [200, 5])
    splits = assign_splits(_index(y, "anomaly"), DataParams(task="anomaly", val_fraction=0.2), 0)

    assert (splits[200:] == TEST).all()
    assert np.mean(splits[:200] == VAL) == pytest.approx(0.2, abs=0.08)


def test_regression_has_one_stratum() -> None:
    assert strata_of(np.zeros((4, 2), np.float32)).tolist() == [0, 0, 0, 0]
    assert strata_of(np.array([2, 1])).tolist() == [2, 1]


@pytest.mark.parametrize(("limit", "table"), [(100, [[90, 10]]), (30, [[27, 3]]), (12, [[10, 2]]), (2, [[1, 1]])])
def test_cap_keeps_shares_and_every_class(limit: int, table: list[list[int]]) -> None:
    y = np.repeat([0, 1], [90, 10])
    splits = cap(np.full(100, TEST, np.int8), y, limit, _rng())

    assert _table(splits, y)[TEST:] == table
    assert (splits == UNUSED).sum() == 100 - min(limit, 100)
