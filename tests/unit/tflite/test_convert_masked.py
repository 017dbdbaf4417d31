"""Recurrent layers that skip time steps."""

import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.models.unroll import masks_steps
from qatflow.tflite.convert import convert_integer
from qatflow.tflite.runtime import Runner

layers = keras.layers


def model_of(*, mask: bool):
    start(0)
    stack = [layers.Embedding(20, 6, mask_zero=mask, name="ids"), layers.LSTM(8, name="lstm")]
    return keras.Sequential([layers.Input((6,), name="input"), *stack, layers.Dense(3, name="outputs")], "masked")


@pytest.mark.slow
def test_a_mask_is_seen_only_where_a_recurrent_layer_reads_it():
    pooled = keras.Sequential([layers.Input((6,)), layers.Embedding(20, 6, mask_zero=True), layers.Flatten()])

    assert masks_steps(model_of(mask=True))
    assert not masks_steps(model_of(mask=False))
    assert not masks_steps(pooled)


@pytest.mark.slow
def test_a_masked_lstm_runs_in_integers_and_skips_what_it_should():
    model = model_of(mask=True)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.6, weight.shape) for weight in model.get_weights()])
    x = rng.integers(0, 20, (64, 6)).astype(np.float32)
    x[:32, 3:] = 0

    runner = Runner(convert_integer(model, x))

    expected = model.predict(x, verbose=0)
    assert np.abs(runner.predict(x) - expected).max() < 0.08 * np.ptp(expected)
