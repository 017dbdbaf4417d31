"""Models and data that are unusual: quantized all the same, or refused in plain words."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import make
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers
IMAGE = (8, 8, 2)


def block(number, filters=4):
    return [
        layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"c{number}"),
        layers.BatchNormalization(name=f"b{number}"),
        layers.ReLU(6.0, name=f"r{number}"),
    ]


def through(x, *stack):
    for layer in stack:
        x = layer(x)
    return x


def head():
    return [layers.GlobalAveragePooling2D(name="gap"), layers.Dense(3, activation="softmax", name="out")]


def blocks(x):
    return through(x, *block(1), *block(2, 6), *head())


def shared(x):
    conv = layers.Conv2D(2, 3, padding="same", name="shared")
    return through(x, conv, layers.ReLU(name="r1"), conv, layers.ReLU(name="r2"), *head())


def nested(x):
    return through(x, keras.Sequential([layers.Input(IMAGE), *block(1)], name="inner"), *block(2), *head())


def residual(x):
    x = through(x, *block(1))
    inner = through(x, *block(2)[:2])
    x = layers.ReLU(name="ra")(layers.Add(name="add")([x, inner]))
    side = layers.Conv2D(4, 1, name="side")(x)
    return through(layers.Add(name="add2")([x, side]), *head())


def joined(x):
    a = layers.Conv2D(3, 3, padding="same", activation="relu", name="a")(x)
    b = layers.ReLU(name="rb")(layers.Conv2D(3, 1, name="b")(x))
    return through(layers.Concatenate(name="cat")([a, b]), layers.Conv2D(4, 3, name="c"), *head())


def depthwise(x):
    first = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="d")
    return through(x, first, layers.BatchNormalization(name="b"), layers.ReLU(6.0, name="r"), *block(2), *head())


def dense(x):
    stack = [layers.Flatten(name="f"), layers.Dense(8, name="d"), layers.BatchNormalization(name="b")]
    return through(x, *stack, layers.ReLU(name="r"), layers.Dense(3, activation="softmax", name="out"))


def pooled(x):
    return through(x, *block(1), layers.AveragePooling2D(2, name="pool"), layers.Conv2D(4, 3, name="c2"), *head())


MODELS = {model.__name__: model for model in (blocks, shared, nested, residual, joined, depthwise, dense, pooled)}


@pytest.fixture
def network(sequence, lively):
    """Give a function that builds a model with random weights."""

    def build(function):
        x = layers.Input(IMAGE, name="input")
        return lively(keras.Model(x, function(x), name=function.__name__))

    return build


@pytest.fixture
def quantize(work):
    """Give a function that runs a strategy and checks that the flatbuffer answers as the fake-quant model does."""

    def run(name, model, agreement=0.95, **settings):
        given = work(IMAGE, **settings)
        found = make(name, model, given.data, given.settings, seed=given.seed)
        x = given.data.train.arrays()[0]
        runner = Runner(found.flatbuffer)
        outputs = runner.predict(x)
        assert np.isfinite(outputs).all()
        if found.quantized.plan.outputs:
            assert np.mean(np.abs(outputs - found.model(x)) < runner.output.scale / 2) >= agreement
        return found, outputs

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_graphs_of_every_kind_become_integers_with_4_bit_weights(network, quantize, name):
    found, _ = quantize("ptq_w4a8", network(MODELS[name]), agreement=0.8 if name in {"joined", "shared"} else 0.99)

    assert not [dtype for dtype in inventory(found.flatbuffer)["tensor_dtypes"] if dtype.startswith("FLOAT")]
    assert "INT4" in {layer.dtype for layer in layer_weights(found.flatbuffer)}
    assert bool(found.notes) == (name == "shared")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shared", "residual"])
def test_they_train_too(network, quantize, name):
    found, _ = quantize("qat_w8a8_per_channel", network(MODELS[name]), agreement=0.9)

    assert len(found.history) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w4a8", "qat_w4a8", "pcqat_w8a8"])
def test_a_dead_channel_stays_dead_and_harms_nothing(network, quantize, name):
    model = network(blocks)
    kernel = model.get_layer("c1").kernel
    kernel.assign(kernel * [1, 0, 1, 1])

    found, _ = quantize(name, model)

    assert found.widths["c1"] == (8 if "w8" in name else 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w8a8", "ptq_w4a8", "qat_w8a8_per_tensor"])
def test_a_layer_of_zeros_and_constant_activations(network, quantize, name):
    model = network(blocks)
    model.get_layer("c1").kernel.assign(np.zeros((3, 3, 2, 4)))

    _, outputs = quantize(name, model)

    assert outputs.std(axis=0).max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w8a8", "ptq_w4a8"])
def test_one_calibration_sample_is_enough(network, quantize, name):
    quantize(name, network(blocks), calibration_samples=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ptq_w4a8", "qat_w8a8_per_channel", "qat_mixed", "pcqat_w8a8"])
def test_a_model_without_weights(sequence, work, samples, name):
    stack = [layers.AveragePooling2D(2, name="p"), layers.GlobalAveragePooling2D(name="gap"), layers.Softmax(name="s")]
    model, given = sequence((8, 8, 3), *stack), work((8, 8, 3), mixed={"size_ratio": 1.0})

    found = make(name, model, given.data, given.settings, seed=0)

    x = samples((8, 8, 3))
    assert found.widths == {}
    assert np.abs(Runner(found.flatbuffer).predict(x) - model(x)).max() < 0.02


@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_that_are_not_finite_name_the_layer_before_anything_is_computed(network, work, name):
    model = network(blocks)
    model.get_layer("c2").kernel.assign(model.get_layer("c2").kernel * np.nan)
    given = work(IMAGE)

    with pytest.raises(ModelError, match="layer 'c2' of blocks has NaN or infinity in its kernel"):
        make(name, model, given.data, given.settings, seed=0)
