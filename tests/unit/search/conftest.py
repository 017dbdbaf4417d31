"""Digits as prepared data and a float classifier of them, made once."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams


@pytest.fixture(scope="session")
def arrays():
    """Digits, (n, 8, 8, 1) float32 from 0 to 1, and their classes."""
    digits = load_digits()
    return (digits.images[..., None] / 16).astype(np.float32), digits.target


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The same, prepared."""
    directory = tmp_path_factory.mktemp("search") / "prepare"
    with stage_output(directory, "prepare") as out:
        prepare_data(DataParams(), "unit", 42, out)
    return open_prepared(directory)


@pytest.fixture(scope="session")
def classifier(arrays):
    """A float model with 95 % or more of them right."""
    start(2)
    stack = [
        keras.layers.Flatten(input_shape=(8, 8, 1), name="flatten"),
        keras.layers.Dense(40, activation="relu", name="hidden"),
        keras.layers.Dense(10, activation="softmax", name="classes"),
    ]
    model = keras.Sequential(stack, name="classifier")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*arrays, epochs=8, verbose=0)
    return model
