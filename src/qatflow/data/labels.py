"""Turns the labels a source finds into the targets of the task."""

from collections.abc import Set as AbstractSet

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import DataError


def numeric_targets(where: str, y: Array, task: str) -> Array:
    """Return numeric labels as the targets of a task.

    Args:
        where: Named in errors.
        y: (n,), or (n, d) where d > 1 is for regression only; any real dtype.
        task: `classification`, `regression` or `anomaly`.

    Returns:
        (n,) int64 for classification and anomaly, (n, d) float32 for regression.

    Raises:
        DataError: If rank, dtype or values do not suit the task.
    """
    if y.ndim == 0 or y.ndim > 2 or y.dtype.kind not in "biuf":
        raise DataError(f"{where}: labels have shape {y.shape} and dtype {y.dtype}; expected numbers, (n,) or (n, d)")
    if task == "regression":
        return y.reshape(len(y), -1).astype(np.float32)
    if y.dtype.kind == "f" or y.size != len(y):
        raise DataError(
            f"{where}: labels have shape {y.shape} and dtype {y.dtype}; {task} needs one integer for each sample"
        )
    ids = y.reshape(-1).astype(np.int64)
    if task == "anomaly" and not np.isin(ids, (0, 1)).all():
        found = ids[~np.isin(ids, (0, 1))][0]
        raise DataError(f"{where}: label {found}; anomaly detection needs 0 (normal) and 1 (anomalous)")
    return ids


def numbered_classes(where: str, found: AbstractSet[int]) -> tuple[str, ...]:
    """Name classes by their number.

    Raises:
        DataError: If the ids found are not 0 to k-1, each used at least once.
    """
    expected = set(range(len(found)))
    if found != expected:
        stray, missing = sorted(found - expected)[:5], sorted(expected - found)[:5]
        raise DataError(
            f"{where}: label out of range: {len(found)} classes need the ids 0 to {len(found) - 1}, "
            f"but {stray} occur and {missing} do not"
        )
    return tuple(str(number) for number in sorted(found))
