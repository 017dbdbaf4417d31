"""The embedded digits for each task."""

import numpy as np
import pytest

from qatflow.data.digits import read_digits
from qatflow.params.data import DataParams


def test_classification() -> None:
    raw = read_digits(DataParams())
    (chunk,) = raw.splits["all"]()

    assert (chunk.x.shape, chunk.x.dtype, chunk.x.max()) == ((1797, 8, 8, 1), np.uint8, 16)
    assert raw.class_names == tuple("0123456789")
    assert (raw.full_scale, raw.count) == (16.0, 1797)
    assert [path.relative_to(raw.root).as_posix() for path in raw.files] == ["sklearn/datasets/data/digits.csv.gz"]


@pytest.mark.parametrize(("task", "first"), [("regression", [[0.0], [1.0], [2.0]]), ("anomaly", [0, 1, 1])])
def test_other_tasks(task: str, first: list[object]) -> None:
    raw = read_digits(DataParams(task=task))
    (chunk,) = raw.splits["all"]()

    assert chunk.y[:3].tolist() == first
    assert raw.class_names == ()
