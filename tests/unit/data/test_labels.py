"""Labels become the targets of the task, or an error."""

import numpy as np
import pytest

from qatflow.data.labels import numbered_classes, numeric_targets
from qatflow.errors import DataError


def test_classification_gives_int64_ids() -> None:
    ids = numeric_targets("y", np.array([[3], [1]], np.uint8), "classification")

    assert (ids.dtype, ids.tolist()) == (np.int64, [3, 1])


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_regression_gives_a_float32_column(shape: tuple[int, ...]) -> None:
    targets = numeric_targets("y", np.arange(4).reshape(shape), "regression")

    assert (targets.dtype, targets.shape) == (np.float32, (4, 1))


def test_regression_keeps_several_targets() -> None:
    assert numeric_targets("y", np.zeros((4, 3)), "regression").shape == (4, 3)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.zeros(4), "classification", "dtype float64; classification needs one integer"),
        (np.zeros((4, 3), int), "classification", r"shape \(4, 3\).*one integer"),
        (np.array(["a"]), "classification", "dtype <U1"),
        (np.zeros((2, 2, 2)), "regression", r"shape \(2, 2, 2\)"),
        (np.array([0, 1, 2]), "anomaly", "label 2; anomaly detection needs 0"),
        (np.array([0, -1]), "anomaly", "label -1"),
    ],
)
def test_refuses_what_does_not_suit_the_task(y: np.ndarray, task: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        numeric_targets("y", y, task)


def test_classes_are_named_by_number() -> None:
    assert numbered_classes("y", set(range(11)))[8:] == ("8", "9", "10")


@pytest.mark.parametrize(("found", "message"), [({0, 1, 255}, "255.*2.*do not"), ({-1, 0}, "-1.*1"), ({1, 2}, "2.*0")])
def test_class_ids_without_gap(found: set[int], message: str) -> None:
    with pytest.raises(DataError, match=f"label out of range.*{message}"):
        numbered_classes("y", found)
