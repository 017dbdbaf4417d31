"""Two optimizers in one model, each with the variables that are its own."""

import numpy as np
import pytest

from qatflow.backend import keras, start, tf
from qatflow.training.rates import with_two_rates


class Scaled(keras.layers.Layer):
    """Multiplies by a learned weight and by the exponential of a learned grid."""

    def build(self, input_shape):
        self.weight = self.add_weight("weight", (), initializer="ones")
        self.log_step = self.add_weight("kernel_log_step", (), initializer="zeros")

    def call(self, inputs):
        return inputs * self.weight * tf.exp(self.log_step)


@pytest.fixture
def model():
    start(0)
    inputs = keras.layers.Input((1,))
    return keras.Model(inputs, Scaled(name="scaled")(inputs), name="net")


X, Y = np.ones((4, 1), np.float32), np.full((4, 1), 3.0, np.float32)
GRADIENT = -4.0
"""Of (w e^s - 3)^2 by w and by s, at w = 1 and s = 0."""


def trained(model, rate, grid_rate, penalties=()):
    two = with_two_rates(model)
    two.penalties = penalties
    two.compile(keras.optimizers.SGD(rate), "mean_squared_error", run_eagerly=True)
    two.grid_optimizer = keras.optimizers.SGD(grid_rate)
    return two.train_on_batch(X, Y, return_dict=True)


def test_each_variable_moves_at_its_own_rate_and_the_model_shares_its_layers(model):
    logs = trained(model, 0.1, 0.01)

    layer = model.get_layer("scaled")
    assert float(layer.weight) == pytest.approx(1 - 0.1 * GRADIENT)
    assert float(layer.log_step) == pytest.approx(-0.01 * GRADIENT)
    assert logs["loss"] == pytest.approx(4.0)


def test_a_rate_of_zero_holds_the_grids(model):
    trained(model, 0.1, 0.0)

    assert float(model.get_layer("scaled").log_step) == 0


def test_penalties_add_to_what_is_minimized(model):
    layer = model.get_layer("scaled")
    trained(model, 0.1, 0.0, [lambda: 5.0 * layer.weight, lambda: 1.0])

    assert float(layer.weight) == pytest.approx(1 - 0.1 * (GRADIENT + 5))


def test_models_without_grids_need_no_second_optimizer():
    start(0)
    inputs = keras.layers.Input((1,))
    two = with_two_rates(keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs)))
    two.compile(keras.optimizers.SGD(0.1), "mean_squared_error")

    two.train_on_batch(X, Y)

    assert two.get_weights()[0].item() == pytest.approx(1 - 0.1 * GRADIENT)
