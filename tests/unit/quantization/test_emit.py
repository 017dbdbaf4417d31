import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ConversionError
from qatflow.models.kernels import columns
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.emit import require_finite, to_int8, to_int16
from qatflow.quantization.fake_quant import Grids, initial_steps
from qatflow.quantization.grid import on_grid
from qatflow.quantization.plan import Plan
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers


@pytest.fixture
def model(sequence, lively):
    stack = [layers.Conv2D(4, 3, activation="relu", name="c"), layers.DepthwiseConv2D(3, name="w")]
    return lively(sequence((8, 8, 2), *stack, layers.Flatten(name="f"), layers.Dense(3, name="d")))


@pytest.mark.slow
def test_int16_stores_our_grids_and_computes_with_them(model, samples):
    x, before = samples((8, 8, 2)), model.get_weights()
    wanted = {}
    for name in ("c", "w", "d"):
        steps = initial_steps(model.get_layer(name), 8, per_channel=True, method="full")
        wanted[name] = on_grid(columns(model.get_layer(name)), steps, 8)

    flatbuffer = to_int16(Deployable(model, Plan(dict.fromkeys(wanted, 8), {})), x)

    runner = Runner(flatbuffer)
    assert (runner.input.dtype, runner.output.dtype) == ("int16", "int16")
    for layer in layer_weights(flatbuffer):
        # TFLite keeps (o, h, w, i); depthwise (1, h, w, c)
        values = np.moveaxis(layer.values, 0, -1) if layer.name != "w" else layer.values
        np.testing.assert_allclose(values.reshape(wanted[layer.name].shape), wanted[layer.name], atol=1e-6)
    assert np.abs(runner.predict(x) - model(x)).max() < 0.02
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.slow
def test_int16_behind_a_dead_layer_is_refused(sequence, samples):
    stack = [layers.Conv2D(4, 3, activation="relu", name="dead"), layers.GlobalAveragePooling2D(name="gap")]
    model = sequence((8, 8, 2), *stack, layers.Dense(3, name="out"))
    model.get_layer("dead").set_weights([np.zeros((3, 3, 2, 4)), -np.ones(4)])

    with pytest.raises(ConversionError, match="no usable weights for 'out': what it reads is 0 for every"):
        to_int16(Deployable(model, Plan({"dead": 8, "out": 8}, {})), samples((8, 8, 2)))


@pytest.mark.slow
def test_weights_that_are_numbers_pass(model, samples):
    flatbuffer = to_int16(Deployable(model), samples((8, 8, 2)))

    assert require_finite(flatbuffer) is flatbuffer


@pytest.mark.slow
def test_int8_takes_models_without_weights(sequence, samples):
    pooling = sequence((8, 8, 2), layers.GlobalAveragePooling2D(name="gap"))

    assert Runner(to_int8("INT4", Deployable(pooling), samples((8, 8, 2)))).output.dtype == "int8"


@pytest.mark.slow
def test_int8_refuses_a_width_that_did_not_come(model, samples):
    steps = {"c": initial_steps(model.get_layer("c"), 8, per_channel=True)}

    with pytest.raises(ConversionError, match="made no INT4 weights"):
        to_int8("INT4", Deployable(model, Plan({"c": 8}, {}), Grids(steps, {})), samples((8, 8, 2)))
