"""Every strategy: prepare, train two steps, convert, run, for every task, with repeatable bytes."""

from math import prod

import numpy as np
import pytest

from qatflow.artifacts import sha256_bytes
from qatflow.backend import start
from qatflow.models import ARCHITECTURES
from qatflow.quantization import STRATEGIES
from qatflow.quantization.store import load_quantized, save_quantized
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

CASES = {
    "classification": ("small_cnn", (8, 8, 1), "sparse_categorical_crossentropy"),
    "regression": ("mlp", (12,), "mse"),
    "anomaly": ("autoencoder", (4, 5, 2), "mse"),
}


def samples(shape, count=8):
    return np.random.default_rng(0).random((count, *shape), np.float32)


def trained(strategy, task):
    """Return the float model, and the strategy's model after two steps."""
    start(0)
    architecture, shape, loss = CASES[task]
    float_model = ARCHITECTURES[architecture](shape, prod(shape) if task == "anomaly" else 2, 1.0, task)
    model = strategy.prepare(float_model)
    if strategy.trained:
        x = samples(shape)
        y = {"classification": np.arange(8) % 2, "regression": np.ones((8, 2), np.float32), "anomaly": x}[task]
        model.compile("adam", loss)
        for _ in range(2):
            model.train_on_batch(x, y)
    return float_model, model


def check(name, task):
    strategy = STRATEGIES[name]
    shape = CASES[task][1]
    float_model, model = trained(strategy, task)

    flatbuffer = strategy.convert(model, samples(shape))

    runner = Runner(flatbuffer)
    outputs = runner.predict(samples(shape))
    assert outputs.shape == model(samples(shape)).shape
    assert np.isfinite(outputs).all()
    if name.endswith("a8") or "a8_" in name:
        assert (runner.input.dtype, runner.output.dtype) == ("int8", "int8")
        assert not [dtype for dtype in inventory(flatbuffer)["tensor_dtypes"] if dtype.startswith("FLOAT")]
    if strategy.trained:
        difference = np.abs(outputs - model(samples(shape)).numpy()) / runner.output.scale
        assert np.percentile(difference, 90) <= 2
    else:
        assert model is float_model


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_makes_a_flatbuffer_that_computes_what_was_trained(name):
    check(name, "classification")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "anomaly"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_takes_every_task(name, task):
    check(name, task)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_repeats_its_bytes(name):
    digests = set()
    for _ in range(2):
        model = trained(STRATEGIES[name], "classification")[1]
        digests.add(sha256_bytes(STRATEGIES[name].convert(model, samples((8, 8, 1)))))

    assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, strategy in STRATEGIES.items() if strategy.trained])
def test_reloads_bit_equal_and_leaves_the_float_model_alone(name, tmp_path):
    float_model, model = trained(STRATEGIES[name], "classification")
    before = float_model.get_weights()
    save_quantized(model, tmp_path)

    loaded = load_quantized(STRATEGIES[name], float_model, tmp_path)

    x = samples((8, 8, 1))
    np.testing.assert_array_equal(loaded(x), model(x))
    for old, new in zip(before, float_model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
