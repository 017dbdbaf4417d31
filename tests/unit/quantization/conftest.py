"""Small float models."""

import numpy as np
import pytest

from qatflow.backend import keras, start

layers = keras.layers


@pytest.fixture
def sequence():
    """Give a function that builds a model of layers one after another, with random weights and statistics."""

    def build(shape, *stack):
        start(0)
        x = inputs = layers.Input(shape, name="input")
        for layer in stack:
            x = layer(x)
        model = keras.Model(inputs, x, name="sequence")
        rng = np.random.default_rng(0)
        model.set_weights([rng.uniform(0.1, 1.0, weight.shape) for weight in model.get_weights()])
        return model

    return build


@pytest.fixture
def samples():
    """Give a function that draws samples of a shape."""
    return lambda shape, count=32: np.random.default_rng(1).normal(0, 1, (count, *shape)).astype(np.float32)
