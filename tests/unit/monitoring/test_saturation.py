"""Values that an input tensor cannot hold."""

import numpy as np
import pytest

from qatflow.monitoring.saturation import held_values, saturated_shares


def test_half_a_step_beyond_the_last_value_is_still_held():
    held = held_values("int8", 1 / 255, -128, ((1 / 255,), (0.0,)))
    x = np.array([[0.0, 255.0], [-0.4, 255.4], [-0.6, 255.6], [0.0, 1000.0]], np.float32)

    assert held[:, 0] == pytest.approx([-0.5, 255.5])
    assert saturated_shares(x, held).tolist() == [0, 0, 1, 0.5]


def test_each_channel_has_its_own_units():
    held = held_values("int8", 0.1, 0, ((1.0, 0.01), (0.0, -5.0)))

    assert held[:, 0] == pytest.approx([-12.85, 12.75])
    assert held[:, 1] == pytest.approx([-785, 1775])


def test_a_negative_scale_turns_the_ends_around():
    held = held_values("uint8", 1.0, 0, ((-1.0,), (255.0,)))

    assert held[:, 0] == pytest.approx([-0.5, 255.5])


def test_a_float_tensor_holds_everything():
    held = held_values("float32", 0.0, 0, ((1.0,), (0.0,)))

    assert saturated_shares(np.full((2, 3), 1e30, np.float32), held).tolist() == [0, 0]
