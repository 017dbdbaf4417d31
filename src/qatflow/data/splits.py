"""Draws the splits: deterministic from the seed, stratified by class, given splits kept."""

from collections.abc import Iterator

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.index import Index
from qatflow.params import DataParams

SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
UNUSED = -1


def assign_splits(index: Index, data: DataParams, rng: np.random.Generator) -> Array:
    """Return the split of each sample, (n,) int8.

    A source's own splits are kept; a missing `val` is carved from its `train`. For anomaly detection every anomaly
    of an unsplit source goes to `test`.
    """
    strata = strata_of(index.y)
    if "all" in index.counts:
        splits = carve(strata, rng, data.val_fraction, data.test_fraction)
        if data.task == "anomaly":
            splits[index.y == 1] = TEST
        return splits
    splits = np.repeat([SPLITS.index(name) for name in index.counts], list(index.counts.values())).astype(np.int8)
    if "val" not in index.counts:
        train = splits == TRAIN
        splits[train] = carve(strata[train], rng, data.val_fraction, 0.0)
    return splits


def strata_of(y: Array) -> Array:
    """Return what to stratify by, (n,) int64: the class, or nothing for regression targets (n, d)."""
    return np.zeros(len(y), np.int64) if y.ndim > 1 else y


def carve(strata: Array, rng: np.random.Generator, val_fraction: float, test_fraction: float) -> Array:
    """Split samples so that each stratum has the asked shares, and at least one sample where a share is not 0.

    Args:
        strata: (n,) int64.
        rng: Decides which samples go where.
        val_fraction: Share of VAL.
        test_fraction: Share of TEST; the rest is TRAIN.

    Returns:
        (n,) int8.
    """
    splits = np.full(len(strata), TRAIN, np.int8)
    for members in _draw_by_stratum(strata, rng):
        test = _share(len(members), test_fraction)
        val = test + _share(len(members), val_fraction)
        splits[members[:test]] = TEST
        splits[members[test:val]] = VAL
    return splits


def cap(splits: Array, strata: Array, limit: int, rng: np.random.Generator) -> Array:
    """Mark samples UNUSED until no split has more than `limit`, keeping the shares of the strata, each at least once.

    Within its stratum of n samples the j-th drawn one gets the key j/n; those with the smallest keys stay.
    """
    capped = splits.copy()
    for split in range(len(SPLITS)):
        members = np.flatnonzero(splits == split)
        key = np.empty(len(members))
        for drawn in _draw_by_stratum(strata[members], rng):
            key[drawn] = np.arange(len(drawn)) / len(drawn)
        capped[members[np.argsort(key, kind="stable")[limit:]]] = UNUSED
    return capped


def _share(size: int, fraction: float) -> int:
    return max(round(size * fraction), 1 if fraction > 0 else 0)


def _draw_by_stratum(strata: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the positions of each stratum's samples in random order."""
    order = np.argsort(strata, kind="stable")
    starts = np.flatnonzero(np.diff(strata[order])) + 1
    for members in np.split(order, starts):
        yield rng.permutation(members)
