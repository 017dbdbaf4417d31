"""Finds equal samples, keeps them out of training where they are tested on, and counts contradicting labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.index import Index
from qatflow.data.splits import SPLITS, UNUSED
from qatflow.errors import DataError

EXAMPLES = 3


@dataclass(frozen=True)
class Duplicates:
    """Counts for the data card.

    Attributes:
        within: Samples that repeat an earlier one of the same split. They stay.
        across: Different samples that occurred in more than one split.
        dropped: Samples removed because they occur in a split that matters more: test, then val, then train.
        conflicting_labels: Different samples that occur with more than one label; mislabelled data, most likely.
    """

    within: int
    across: int
    dropped: int
    conflicting_labels: int


def resolve_duplicates(index: Index, splits: Array, policy: str) -> tuple[Array, Duplicates]:
    """Return the splits without samples that leak into a more important split, and the counts.

    Args:
        index: All samples.
        splits: (n,) int8, the split of each sample.
        policy: `drop` or `refuse`.

    Raises:
        DataError: If a sample is in more than one split and the policy is `refuse`.
    """
    repeated = np.flatnonzero(_is_repeated(index.digests))
    group = np.unique(index.digests[repeated], return_inverse=True)[1]
    leaking = splits[repeated] < _highest(group, splits[repeated])[group]
    across = np.unique(group[leaking])
    if policy == "refuse" and len(across):
        raise DataError(_refusal(index, splits, [repeated[group == one] for one in across[:EXAMPLES]], len(across)))
    kept = splits.copy()
    kept[repeated[leaking]] = UNUSED
    counts = Duplicates(
        within=int((~leaking).sum()) - len(np.unique(group)),
        across=len(across),
        dropped=int(leaking.sum()),
        conflicting_labels=_conflicts(group, index.y[repeated]),
    )
    return kept, counts


def _is_repeated(digests: Array) -> Array:
    """Tell which samples may occur more than once, (n,) bool; comparing half a digest saves memory."""
    half = digests.view(np.uint64)[::2]
    ordered = np.sort(half)
    return np.isin(half, ordered[1:][ordered[1:] == ordered[:-1]])


def _highest(group: Array, values: Array) -> Array:
    highest = np.full(group.max(initial=-1) + 1, np.iinfo(np.int64).min)
    np.maximum.at(highest, group, values)
    return highest


def _conflicts(group: Array, y: Array) -> int:
    label = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1)
    return int((_highest(group, label) != -_highest(group, -label)).sum())


def _refusal(index: Index, splits: Array, leaks: Sequence[Array], count: int) -> str:
    examples = [
        " = ".join(f"{index.describe(place)} (in {SPLITS[splits[place]]})" for place in leak[:4].tolist())
        for leak in leaks
    ]
    return (
        f"{count} different samples are in more than one split: {'; '.join(examples)}. "
        f"Remove them, or set data.duplicates to 'drop'."
    )
