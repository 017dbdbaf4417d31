import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.search.remarks import remarks

layers = keras.layers
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    start(0)
    stack = [
        layers.InputLayer((8,)),
        layers.Dense(6, name="linear"),
        layers.BatchNormalization(name="norm"),
        layers.Activation("sigmoid", name="squash"),
        layers.Dense(2, activation="softmax", name="classes"),
    ]
    model = keras.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = RNG.normal(size=(256, 8)).astype(np.float32)
    model.fit(x, (x[:, 0] > 0).astype(int), epochs=30, verbose=0)
    return model


def test_data_like_those_of_the_training_need_no_remark(model):
    assert remarks(model, RNG.normal(size=(64, 8)).astype(np.float32)) == ()


def test_a_wrong_range_saturates_and_is_strange_to_batch_normalization(model):
    text = " ".join(remarks(model, (1000 + 10 * RNG.random((64, 8))).astype(np.float32)))

    assert "'norm' see values far from" in text
    assert "'squash' saturate" in text
    assert "in the range that the model was trained on?" in text


def test_constant_data_are_noticed(model):
    assert any("have the same output for every sample" in line for line in remarks(model, np.ones((64, 8), np.float32)))


def test_many_layers_are_not_all_named(model):
    line = next(line for line in remarks(model, np.ones((64, 8), np.float32)) if "same output" in line)

    assert "and 1 more" in line
