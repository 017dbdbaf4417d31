"""What each split must hold."""

import numpy as np
import pytest

from qatflow.data.checks import check_splits
from qatflow.data.splits import UNUSED
from qatflow.errors import DataError

SPLITS = np.repeat(np.array([0, 1, 2], np.int8), 4)


def test_accepts_sound_splits() -> None:
    check_splits(SPLITS, np.arange(12) % 2, "classification", ("a", "b"))
    check_splits(SPLITS, np.zeros((12, 1), np.float32), "regression", ())
    check_splits(SPLITS, np.array([0] * 9 + [1] * 3), "anomaly", ())


@pytest.mark.parametrize(
    ("splits", "y", "task", "names", "message"),
    [
        (SPLITS, np.zeros(12, int), "classification", ("a",), "All samples have one class, 'a'"),
        (SPLITS[:9], np.arange(9) % 2, "classification", ("a", "b"), "'test' has 1 of 9 samples.*at least 2.*fraction"),
        (np.zeros(1, np.int8), np.zeros((1, 1)), "regression", (), "'train' has 1 of 1 samples"),
        (
            SPLITS,
            np.array([0, 1] * 4 + [0] * 4),
            "classification",
            ("a", "b"),
            r"'b' has no sample in split 'test' \(4",
        ),
        (SPLITS, np.array([0] * 4 + [1] * 8), "anomaly", (), "train and val hold 4 anomalies"),
        (SPLITS, np.zeros(12, int), "anomaly", (), "'test' holds one class only"),
        (SPLITS, np.array([0] * 8 + [1] * 4), "anomaly", (), "'test' holds one class only"),
    ],
)
def test_refuses(splits: np.ndarray, y: np.ndarray, task: str, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_splits(splits, y, task, names)


def test_unused_samples_do_not_count() -> None:
    splits = np.append(SPLITS, np.int8(UNUSED))

    check_splits(splits, np.array([0] * 8 + [0, 0, 1, 1] + [1]), "anomaly", ())
