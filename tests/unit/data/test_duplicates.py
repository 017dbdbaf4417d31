"""Duplicates in and across splits."""

import numpy as np
import pytest

from qatflow.data.duplicates import Duplicates, resolve_duplicates
from qatflow.data.index import Index, sample_digests
from qatflow.data.splits import TEST, TRAIN, UNUSED, VAL
from qatflow.errors import DataError


def _index(values: list[int], y: list[float], **counts: int) -> Index:
    x = np.array(values, np.int64).reshape(-1, 1)
    task = "regression" if isinstance(y[0], float) else "classification"
    labels = np.array(y, np.float32).reshape(-1, 1) if task == "regression" else np.array(y)
    return Index(task, counts or {"all": len(x)}, labels, sample_digests(x), (1,), x.dtype)


SPLITS = np.array([TRAIN, TRAIN, TRAIN, VAL, VAL, TEST, TEST], np.int8)


def test_sample_stays_where_it_matters_most() -> None:
    #                 train      val   test
    index = _index([7, 7, 8, 8, 9, 9, 1], [0, 0, 0, 0, 0, 0, 1])
    splits, counts = resolve_duplicates(index, SPLITS, "drop")

    assert splits.tolist() == [TRAIN, TRAIN, UNUSED, VAL, UNUSED, TEST, TEST]
    assert counts == Duplicates(within=1, across=2, dropped=2, conflicting_labels=0)
    assert SPLITS.tolist() == [0, 0, 0, 1, 1, 2, 2]


def test_no_duplicates() -> None:
    splits, counts = resolve_duplicates(_index(list(range(7)), [0] * 7), SPLITS, "refuse")

    assert splits.tolist() == SPLITS.tolist()
    assert counts == Duplicates(0, 0, 0, 0)


@pytest.mark.parametrize("y", [[0, 1, 2, 2, 0, 1, 0], [0.5, 0.25, 1.0, 1.0, 0.5, 0.25, 0.0]])
def test_counts_samples_with_contradicting_labels(y: list[float]) -> None:
    _, counts = resolve_duplicates(_index([5, 5, 6, 6, 7, 7, 8], y), SPLITS, "drop")

    assert counts.conflicting_labels == 2


def test_refusal_counts_and_names_examples() -> None:
    with pytest.raises(DataError) as caught:
        resolve_duplicates(_index([7, 7, 8, 8, 9, 9, 7], [0] * 7, train=3, val=2, test=2), SPLITS, "refuse")

    message = str(caught.value)
    assert message.startswith("3 different samples are in more than one split: ")
    assert "train sample 2 (in train) = val sample 0 (in val)" in message
    assert "train sample 0 (in train) = train sample 1 (in train) = test sample 1 (in test)" in message
    assert message.endswith("set data.duplicates to 'drop'.")
