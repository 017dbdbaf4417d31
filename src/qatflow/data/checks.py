"""What every split must hold before it is written."""

from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.splits import SPLITS, TEST, UNUSED
from qatflow.errors import DataError

MIN_SAMPLES = 2


def check_splits(splits: Array, y: Array, task: str, class_names: Sequence[str], repeated: int = 0) -> None:
    """Check sizes and classes of all splits.

    Args:
        splits: (n,) int8, the split of each sample.
        y: (n,) class ids or 0/1, or (n, d) targets.
        task: Decides which rules apply.
        class_names: Name of each class id.
        repeated: Samples that are equal to another one.

    Raises:
        DataError: If a split is too small, the classes do not suffice, or a class is absent from a split.
    """
    if task == "classification" and len(class_names) < 2:
        raise DataError(f"All samples have one class, '{class_names[0]}'; classification needs at least two")
    if task == "multi_label" and not class_names:
        raise DataError("The data have one label for each sample; multi_label needs a row of 0 and 1, as an .npz holds")
    if task == "anomaly":
        _check_anomalies(splits, y)
    for split, name in enumerate(SPLITS):
        count = int((splits == split).sum())
        if count < MIN_SAMPLES:
            raise DataError(
                f"Split '{name}' has {count} of {len(y)} samples, each needs at least {MIN_SAMPLES}: bring more data, "
                f"or change data.val_fraction, data.test_fraction or data.max_samples"
                f"{f'. Equal samples count once: {repeated} of these repeat another one' if repeated else ''}"
            )
        if task == "classification":
            _check_classes(name, y[splits == split], y[splits != UNUSED], class_names)


def _check_classes(split: str, y: Array, used: Array, class_names: Sequence[str]) -> None:
    absent = np.flatnonzero(np.bincount(y, minlength=len(class_names)) == 0)
    if len(absent):
        total = int((used == absent[0]).sum())
        raise DataError(
            f"Class '{class_names[absent[0]]}' has no sample in split '{split}' ({total} in all splits): each split "
            f"needs one of every class; bring more samples, leave the class out, or raise data.max_samples"
        )


def _check_anomalies(splits: Array, y: Array) -> None:
    misplaced = int(((splits != TEST) & (splits != UNUSED) & (y == 1)).sum())
    if misplaced:
        raise DataError(f"train and val hold {misplaced} anomalies (label 1); they may hold normal samples (0) only")
    if len(np.unique(y[splits == TEST])) < 2:
        raise DataError(
            "Split 'test' holds one class only; anomaly detection needs normal samples (0) and anomalies (1)"
        )
