"""Turns the labels a source finds into the targets of the task, and tells what kind of labels they are."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import DataError

Kind = Literal["two", "classes", "one_hot", "multi_hot", "numbers", "none"]
"""Two classes (0 and 1, or two names); other whole numbers or names; rows of 0 and 1, one 1 in each, or any number of
them; real numbers; nothing."""


def numeric_targets(where: str, y: Array, task: str) -> Array:
    """Return numeric labels as the targets of a task.

    Args:
        where: Named in errors.
        y: (n,), or (n, d): for regression any numbers; for multi-label classification 0 or 1 for each label; for
            classification one-hot, which becomes the index of the 1.
        task: `classification`, `multi_label`, `regression` or `anomaly`.

    Returns:
        (n,) int64 for classification and anomaly, (n, d) float32 for the others.

    Raises:
        DataError: If rank, dtype or values do not suit the task.
    """
    if y.ndim == 0 or y.ndim > 2 or y.dtype.kind not in "biuf":
        raise DataError(f"{where}: labels have {_refusal(y)}")
    if task == "regression":
        return y.reshape(len(y), -1).astype(np.float32)
    if task == "multi_label":
        return _zeros_and_ones(where, y.reshape(len(y), -1))
    ids = _class_ids(where, y, task)
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


def kind_of(parts: Iterable[Array]) -> Kind:
    """Tell the kind of numeric labels from all of them, in parts (n, …)."""
    binary = one_hot = True
    rank = 1
    for y in parts:
        rows = y.reshape(len(y), -1)
        rank = max(rank, rows.shape[1])
        binary = binary and bool(np.isin(rows, (0, 1)).all())
        one_hot = one_hot and is_one_hot(rows)
        whole = y.dtype.kind in "biu"
    if binary:
        return "two" if rank == 1 else "one_hot" if one_hot else "multi_hot"
    return "classes" if whole and rank == 1 else "numbers"


def is_one_hot(y: Array) -> bool:
    """Tell whether each row of (n, k) holds one 1 and else zeros, with k > 1."""
    return y.shape[1] > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def _class_ids(where: str, y: Array, task: str) -> Array:
    if task == "classification" and y.ndim == 2 and is_one_hot(y):
        return np.asarray(y.argmax(axis=1), np.int64)
    if y.size != len(y):
        raise DataError(f"{where}: labels have shape {y.shape}; {_one_each(y, task)}")
    if y.dtype.kind == "f" and (y != np.rint(y)).any():  # true of NaN too
        found = y[y != np.rint(y)].flat[0]
        raise DataError(
            f"{where}: label {found}; {task} needs one integer for each sample; real numbers are for "
            "the task regression"
        )
    return y.reshape(-1).astype(np.int64)


def _one_each(y: Array, task: str) -> str:
    """Say what would be right of labels (n, d) that are no class ids."""
    needs = f"{task} needs one integer for each sample"
    if task != "classification" or not np.isin(y, (0, 1)).all():
        return f"{needs}; several numbers are for the task regression"
    row = int(np.argmax(y.sum(axis=1) != 1))
    return (
        f"{needs}, or one 1 in each row, and row {row} has {int(y[row].sum())}; several labels for one sample are for "
        "the task multi_label, with a model that ends in a sigmoid for each"
    )


def _zeros_and_ones(where: str, y: Array) -> Array:
    if not np.isin(y, (0, 1)).all():
        raise DataError(f"{where}: label {y[~np.isin(y, (0, 1))][0]}; multi_label needs 0 or 1 for each label")
    return y.astype(np.float32)


def _refusal(y: Array) -> str:
    if y.dtype.kind not in "biuf":
        return f"dtype {y.dtype}; expected numbers: number the classes from 0 (numpy.unique with return_inverse does)"
    pixels = " a label for each pixel or step, as for segmentation, is not supported;" if y.ndim > 2 else ""
    return f"shape {y.shape};{pixels} expected one label for each sample, (n,), or a row of numbers, (n, d)"
