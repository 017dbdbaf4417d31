import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.errors import ModelError
from qatflow.models.unroll import takes_ids, unroll
from qatflow.tflite.convert import convert_full_integer
from qatflow.tflite.runtime import Runner

layers = keras.layers


def of(shape, *stack):
    x = inputs = layers.Input(shape, name="input")
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x, name="mine")


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(3, return_sequences=True, name="l"),
        layers.GRU(3, reset_after=False, go_backwards=True, name="l"),
        layers.SimpleRNN(3, name="l"),
        layers.Bidirectional(layers.LSTM(3, name="inner"), backward_layer=layers.LSTM(3, go_backwards=True), name="l"),
    ],
)
def test_computes_the_same_without_loops(layer):
    model = of((5, 4), layer)
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)

    flat = unroll(model)

    np.testing.assert_allclose(flat(x), model(x), atol=1e-6)
    inner = flat.get_layer("l")
    assert all(
        part.unroll for part in (getattr(inner, "forward_layer", inner), getattr(inner, "backward_layer", inner))
    )


def test_keeps_masks():
    model = of((5,), layers.Embedding(9, 4, mask_zero=True, name="e"), layers.LSTM(3, name="l"))
    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]], np.float32)

    np.testing.assert_allclose(unroll(model)(x), model(x), atol=1e-6)


def test_refuses_an_unknown_number_of_steps():
    with pytest.raises(ModelError, match="layer 'l' gets any number of time steps; TFLite needs a fixed number"):
        unroll(of((None, 4), layers.LSTM(3, name="l")))


def test_knows_inputs_that_are_ids():
    assert takes_ids(of((5,), layers.Embedding(9, 4)))
    assert not takes_ids(of((5, 4), layers.LSTM(3)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_becomes_integer_throughout(kind):
    start(0)
    model = of((5, 4), kind(6, name="l"), layers.Dense(3, activation="softmax", name="o"))
    x = np.random.default_rng(0).normal(size=(200, 5, 4)).astype(np.float32)

    runner = Runner(convert_full_integer(unroll(model), x))

    np.testing.assert_allclose(runner.predict(x), model(x), atol=0.06)
