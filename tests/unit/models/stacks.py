"""Models of layers one behind the other, with weights that are no zeros."""

import numpy as np

from qatflow.backend import keras

layers = keras.layers


def of(shape, *stack):
    """Return a model of layers for samples of a shape."""
    x = inputs = layers.Input(shape, name="input")
    for layer in stack:
        x = layer(x)
    model = keras.Model(inputs, x, name="mine")
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-1, 1, weight.shape) for weight in model.get_weights()])
    return model
