"""Labels become the targets of the task, or an error."""

import numpy as np
import pytest

from qatflow.data.labels import kind_of, numbered_classes, numeric_targets
from qatflow.errors import DataError


def test_classification_gives_int64_ids() -> None:
    ids = numeric_targets("y", np.array([[3], [1]], np.uint8), "classification")

    assert (ids.dtype, ids.tolist()) == (np.int64, [3, 1])


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_regression_gives_a_float32_column(shape: tuple[int, ...]) -> None:
    targets = numeric_targets("y", np.arange(4).reshape(shape), "regression")

    assert (targets.dtype, targets.shape) == (np.float32, (4, 1))


def test_one_hot_labels_and_whole_floats_are_class_ids() -> None:
    for y in (np.eye(3)[[2, 0]], np.eye(3, dtype=bool)[[2, 0]], np.array([2.0, 0.0], np.float32)):
        ids = numeric_targets("y", y, "classification")

        assert (ids.dtype, ids.tolist()) == (np.int64, [2, 0])


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([[0, 1], [1, 1]], "two"),
        ([[0.0, 1.0]], "two"),
        ([[[True], [False]]], "two"),
        ([[0, 1], [2, 0]], "classes"),
        ([[0.0, 2.0]], "numbers"),
        ([[0.25, 1.0]], "numbers"),
        ([[[0, 1], [1, 0]]], "one_hot"),
        ([[[0, 1], [1, 0]], [[1, 1], [0, 0]]], "multi_hot"),
        ([[[0.5, 1], [1, 0]]], "numbers"),
    ],
)
def test_kinds_of_labels(parts: list[list[float]], kind: str) -> None:
    assert kind_of(map(np.array, parts)) == kind


def test_labels_of_a_sample_are_a_row_of_zeros_and_ones() -> None:
    targets = numeric_targets("y", np.array([[1, 0], [1, 1]]), "multi_label")

    assert (targets.dtype, targets.tolist()) == (np.float32, [[1, 0], [1, 1]])


def test_regression_keeps_several_targets() -> None:
    assert numeric_targets("y", np.zeros((4, 3)), "regression").shape == (4, 3)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.array([0.0, 0.5]), "classification", "label 0.5; classification needs one integer.*task regression"),
        (np.array([0.0, np.nan]), "classification", "label nan; classification needs one integer"),
        (np.full((4, 3), 2), "classification", r"shape \(4, 3\).*one integer.*task regression"),
        (np.array([[0, 1, 0], [1, 1, 0]]), "classification", "one 1 in each row, and row 1 has 2.*task multi_label"),
        (np.array([[0, 1], [0, 2]]), "multi_label", "label 2; multi_label needs 0 or 1"),
        (np.zeros((2, 8, 8), int), "classification", r"shape \(2, 8, 8\); a label for each pixel.*one label for each"),
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
