import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.backend import keras
from qatflow.tflite.rewrite import pack, parse

layers = keras.layers


@pytest.fixture(scope="session")
def images():
    """The digits as the golden classifiers take them, (1797, 8, 8, 1) float32."""
    return (load_digits().data.reshape(-1, 8, 8, 1) / 16).astype(np.float32)


@pytest.fixture(scope="session")
def edited():
    """Return a model after `change` was applied to its flatbuffer tree."""

    def edit(model, change):
        tree = parse(model)
        change(tree)
        return pack(tree)

    return edit


@pytest.fixture
def stack(sequence):
    """A model of the four ways in which kernels are laid out: conv, dw, on_images and dense."""
    model = sequence(
        (7, 8, 3),
        layers.Conv2D(4, 3, strides=2, padding="same", name="conv"),
        layers.ReLU(name="relu"),
        layers.DepthwiseConv2D(2, depth_multiplier=2, activation="relu", name="dw"),
        layers.Dense(6, use_bias=False, name="on_images"),
        layers.Flatten(name="flatten"),
        layers.Dense(5, name="dense"),
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 1, weight.shape) for weight in model.get_weights()])
    return model
