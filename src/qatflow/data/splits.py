"""Draws the splits: by the content of each sample, so that a sample keeps its side; given splits are kept."""

from collections.abc import Iterator

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.index import Index
from qatflow.params.data import DataParams

SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
UNUSED = -1


def assign_splits(index: Index, data: DataParams, seed: int) -> Array:
    """Return the split of each sample, (n,) int8.

    A source's own splits are kept; a missing `val` is carved from its `train`. For anomaly detection every anomaly
    of an unsplit source goes to `test`.
    """
    strata, places = strata_of(index.y), places_of(index.digests, seed)
    if "all" in index.counts:
        splits = carve(strata, places, data.val_fraction, data.test_fraction)
        if data.task == "anomaly":
            splits[index.y == 1] = TEST
        return splits
    splits = np.repeat([SPLITS.index(name) for name in index.counts], list(index.counts.values())).astype(np.int8)
    if "val" not in index.counts:
        train = splits == TRAIN
        splits[train] = carve(strata[train], places[train], data.val_fraction, 0.0)
    return splits


def split_rule(index: Index, data: DataParams, seed: int) -> dict[str, float] | None:
    """Return what decides a sample's side besides its content; None where the source has splits of its own."""
    if "all" not in index.counts:
        return None
    return {"seed": seed, "val_fraction": data.val_fraction, "test_fraction": data.test_fraction}


def places_of(digests: Array, seed: int) -> Array:
    """Return a place in [0, 1) for each sample, (n,) float64, that its content and the seed alone decide.

    Args:
        digests: (n,) 16-byte digests of the samples' bytes.
        seed: Another one gives every sample another place: SplitMix64 (Steele, Lea, Flood 2014) of digest and seed.
    """
    with np.errstate(over="ignore"):
        z = digests.view(np.uint64)[::2] + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(11)) * 2.0**-53)


def strata_of(y: Array) -> Array:
    """Return what to stratify by, (n,) int64: the class, or nothing for regression targets (n, d)."""
    return np.zeros(len(y), np.int64) if y.ndim > 1 else y


def carve(strata: Array, places: Array, val_fraction: float, test_fraction: float) -> Array:
    """Split samples by their places: below `test_fraction` TEST, then VAL, the rest TRAIN.

    A sample's split depends on no other sample, so that data which grow, shrink or come in another order move none
    from one split to another: a model never meets samples in a later test that it was trained on. Shares are met as
    drawing lots meets them. Only where a stratum would have no sample in a split, the nearest one to spare goes there.

    Args:
        strata: (n,) int64.
        places: (n,) float64 in [0, 1).
        val_fraction: Share of VAL.
        test_fraction: Share of TEST.

    Returns:
        (n,) int8.
    """
    bounds = {TEST: (0.0, test_fraction), VAL: (test_fraction, test_fraction + val_fraction)}
    bounds[TRAIN] = (bounds[VAL][1], 1.0)
    splits = np.empty(len(strata), np.int8)
    for split, (low, high) in bounds.items():
        splits[(places >= low) & (places < high)] = split
    for members in _by_stratum(strata):
        for split, (low, high) in bounds.items():
            held = np.bincount(splits[members], minlength=len(SPLITS))
            spare = members[held[splits[members]] > 1]
            if high > low and not held[split] and len(spare):
                distance = np.maximum(low - places[spare], places[spare] - high)
                splits[spare[np.argmin(distance)]] = split
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


def _draw_by_stratum(strata: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the positions of each stratum's samples in random order."""
    for members in _by_stratum(strata):
        yield rng.permutation(members)


def _by_stratum(strata: Array) -> list[Array]:
    """Return the positions of each stratum's samples."""
    order = np.argsort(strata, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(strata[order])) + 1)
