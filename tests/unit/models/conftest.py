"""Model files as users have them."""

import importlib

import pytest

from qatflow.backend import keras as tf_keras

keras3 = importlib.import_module("keras")
KERAS = {"keras2": tf_keras, "keras3": keras3}


def branched(keras, *, nested):
    """Return a model with two branches of one shape (weights could be swapped unseen), and a model inside if asked."""
    layers = keras.layers
    x = layers.Input((6, 6, 1), name="input")
    left = layers.Conv2D(3, 3, padding="same", name="left", kernel_regularizer=keras.regularizers.L2(1e-4))(x)
    left = layers.ReLU(6.0, name="left_relu")(layers.BatchNormalization(name="left_bn")(left))
    right = layers.Conv2D(3, 3, padding="same", activation="relu", name="right")(x)
    y = layers.LeakyReLU(name="leaky")(layers.Add(name="add")([left, right]))
    if nested:
        inner = [
            layers.Input((6, 6, 3)),
            layers.Conv2D(3, 1, name="inner1"),
            layers.BatchNormalization(name="inner_bn"),
        ]
        y = keras.Sequential([*inner, layers.Conv2D(3, 1, name="inner2")], name="inner")(y)
    y = layers.Dropout(0.1, name="dropout")(layers.Flatten(name="flatten")(y))
    return keras.Model(x, layers.Dense(2, activation="softmax", name="outputs")(y), name="branched")


@pytest.fixture(params=["keras2", "keras3"])
def keras(request):
    """Give each Keras in turn."""
    return KERAS[request.param]


@pytest.fixture
def make_model():
    """Give `branched`."""
    return branched
