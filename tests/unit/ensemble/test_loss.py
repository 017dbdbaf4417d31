import numpy as np
import pytest

from qatflow.ensemble.loss import loss


def test_log_loss_by_hand():
    outputs = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)

    assert loss("classification", np.array([0, 1]), outputs) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)


def test_a_stored_zero_is_half_a_step_and_not_infinitely_wrong():
    assert loss("classification", np.array([0]), np.array([[0.0, 1.0]], np.float32)) == pytest.approx(np.log(512))


def test_squared_error_by_hand():
    assert loss("regression", np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]], np.float32)) == 2.0
