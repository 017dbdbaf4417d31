import numpy as np
import pytest

from qatflow.evaluation.agreement import agreement, lsb_histogram


def test_classes_agree_where_the_highest_score_is_the_same():
    a = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.5, 0.5]])
    b = np.array([[0.6, 0.4], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])

    assert agreement("classification", a, b) == 3 / 4


def test_samples_agree_where_all_their_labels_do():
    a = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    b = np.array([[0.6, 0.4], [0.9, 0.8], [0.5, 0.9]])

    assert agreement("multi_label", a, b) == pytest.approx(2 / 3)


@pytest.mark.parametrize("task", ["regression", "anomaly"])
def test_values_agree_within_five_percent_of_the_references_range(task):
    reference = np.array([0.0, 10.0, 20.0, 5.0])

    assert agreement(task, reference, reference + np.array([0.9, -0.9, 1.1, 0.0])) == 3 / 4


def test_differences_are_counted_in_steps():
    b = np.zeros((2, 3), np.float32)
    a = np.array([[0.0, 0.5, -0.5], [0.5, 1.1, 0.1]], np.float32)

    assert lsb_histogram(a, b, 0.5) == {"-1": 1, "0": 2, "1": 2, "2": 1}


def test_the_outermost_steps_hold_the_rest():
    assert lsb_histogram(np.array([-1e6, 15.0, 16.0, 17.0]), np.zeros(4), 1.0) == {"-16": 1, "15": 1, "16": 2}
