"""Scales in front of kernels: the converter would fold them in, off the grids that were planned."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.activations import hard_sigmoid_keras3, hard_swish
from qatflow.params.compression import CompressionParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.absorb import absorbed, operators_of, settle
from qatflow.quantization.canonical import canonical
from qatflow.quantization.parity import measure_parity
from qatflow.quantization.plan import Own, plan_outputs
from qatflow.quantization.run import make
from qatflow.tflite.inspect import inventory, layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers
IMAGE, SERIES, ROW = (8, 8, 2), (12, 2), (5,)


def conv(name="c", **settings):
    return layers.Conv2D(3, 3, name=name, **settings)


def norm(shape, **settings):
    return layers.Normalization(mean=np.arange(shape) * 3.0, variance=np.arange(shape) + 0.5, name="n", **settings)


ABSORBED = {
    "a factor": (IMAGE, [layers.Rescaling(1 / 255, name="r"), conv(padding="same")]),
    "a factor and an offset": (IMAGE, [layers.Rescaling(1 / 127.5, -1, name="r"), conv(use_bias=False)]),
    "an offset of single pixels": (IMAGE, [layers.Rescaling(2, -1, name="r"), layers.Conv2D(3, 1, padding="same")]),
    "a chain": (IMAGE, [layers.Rescaling(1 / 255), layers.Rescaling(2.0, -1.0, name="r"), conv()]),
    "one mean and variance": (IMAGE, [layers.Normalization(axis=None, mean=3.0, variance=4.0, name="n"), conv()]),
    "before padding": (IMAGE, [layers.Rescaling(0.1, name="r"), layers.ZeroPadding2D(1), conv()]),
    "before flattening": (IMAGE, [layers.Rescaling(0.1, 0.5, name="r"), layers.Flatten(), layers.Dense(3)]),
    "before pooling": (IMAGE, [layers.Rescaling(0.1, 0.5, name="r"), layers.MaxPooling2D(), conv()]),
    "depthwise": (IMAGE, [layers.Rescaling(0.1, 0.5, name="r"), layers.DepthwiseConv2D(3, depth_multiplier=2)]),
    "separable": (IMAGE, [layers.Rescaling(0.1, name="r"), layers.SeparableConv2D(3, 3, padding="same")]),
    "of a series": (SERIES, [layers.Rescaling(0.1, 0.5, name="r"), layers.Conv1D(3, 3)]),
}
OPERATORS = {
    "an offset under padding": (IMAGE, [layers.Rescaling(1 / 127.5, -1, name="r"), conv(padding="same")]),
    "an offset before padding": (IMAGE, [layers.Rescaling(0.1, -1, name="r"), layers.ZeroPadding2D(1), conv()]),
    "a negative factor": (IMAGE, [layers.Rescaling(-0.1, name="r"), conv()]),
    "a factor for each channel": (IMAGE, [layers.Rescaling([0.1, 3.0], [1.0, 0.0], name="r"), conv()]),
    "statistics of channels": (IMAGE, [norm(2), conv(padding="same")]),
    "statistics of features": (ROW, [norm(5), layers.Dense(3)]),
    "inverted statistics": (ROW, [norm(5, invert=True), layers.Dense(3)]),
    "under causal padding": (SERIES, [layers.Rescaling(0.1, -1, name="r"), layers.Conv1D(3, 3, padding="causal")]),
    "batch normalization in front": (IMAGE, [layers.BatchNormalization(name="n"), conv(padding="same")]),
    "before a relu": (IMAGE, [conv("first"), layers.Rescaling(0.1, 0.2, name="r"), layers.ReLU(), conv()]),
    "at the end": (ROW, [layers.Dense(3, name="d"), layers.Rescaling(5.0, 1.0, name="r")]),
}


def named(cases):
    return [pytest.param(*case, id=name) for name, case in cases.items()]


def without_scales(model):
    return not any(isinstance(layer, (layers.Rescaling, layers.BatchNormalization)) for layer in model.layers)


@pytest.mark.parametrize(("shape", "stack"), named(ABSORBED))
def test_kernels_absorb_one_positive_factor_and_what_needs_no_padding(sequence, lively, samples, shape, stack):
    model = lively(sequence(shape, *copies(stack)))

    flat = canonical(model)
    settled = settle(flat, {})

    (name,) = absorbed(flat)
    assert name not in plan_outputs(flat)
    assert not operators_of(flat)
    assert without_scales(settled)
    np.testing.assert_allclose(settled(samples(shape)), model(samples(shape)), atol=1e-4)


@pytest.mark.parametrize(("shape", "stack"), named(OPERATORS))
def test_what_no_kernel_can_absorb_becomes_one_operator_on_a_grid_of_its_own(sequence, lively, samples, shape, stack):
    model = lively(sequence(shape, *copies(stack)))

    flat = canonical(model)
    settled = settle(flat, {})

    (name,) = operators_of(flat)
    assert not absorbed(flat)
    assert isinstance(plan_outputs(flat).get(name, Own()), Own)
    assert isinstance(settled.get_layer(name), layers.DepthwiseConv2D)
    assert without_scales(settled)
    np.testing.assert_allclose(settled(samples(shape)), model(samples(shape)), atol=1e-4)


def copies(stack):
    return [type(layer).from_config(layer.get_config()) for layer in stack]


def test_a_scale_with_a_reader_that_is_no_kernel_stays_out_of_the_kernels_too(sequence):
    x = layers.Input(IMAGE)
    scaled = layers.Rescaling(0.1, name="r")(x)
    model = keras.Model(x, layers.Concatenate()([scaled, conv(padding="same")(scaled)]))

    flat = canonical(model)

    assert not absorbed(flat)
    assert plan_outputs(flat)["r"] == Own()


def test_a_shared_scale_is_absorbed_by_each_kernel(lively, samples):
    x, scale = layers.Input(IMAGE), layers.Rescaling(1 / 255, name="r")
    ends = [conv("a")(scale(x)), conv("b", strides=2)(scale(layers.ZeroPadding2D(3)(x)))]
    model = lively(keras.Model(x, layers.Add()([layers.GlobalAveragePooling2D()(end) for end in ends])))

    flat = canonical(model)

    assert set(absorbed(flat)) == {"r", "r_1"}
    np.testing.assert_allclose(settle(flat, {})(samples(IMAGE)), model(samples(IMAGE)), atol=1e-5)


def head():
    return [layers.ReLU(name="relu"), layers.GlobalAveragePooling2D(name="g"), layers.Dense(3, "softmax", name="d")]


@pytest.mark.parametrize("bias", [True, False])
def test_a_scaled_input_gives_the_answers_of_a_scaled_first_kernel(sequence, lively, samples, work, bias):
    scaled = lively(sequence(IMAGE, layers.Rescaling(1 / 255), conv(use_bias=bias), *head()))
    plain = lively(sequence(IMAGE, conv(use_bias=bias), *head()))
    kernel, *rest = scaled.get_layer("c").get_weights()
    plain.set_weights([kernel / 255, *rest, *scaled.get_layer("d").get_weights()])
    given = work(IMAGE)

    made = [make("ptq_w4a8", model, given.data, given.settings, seed=0) for model in (scaled, plain)]

    first, second = (Runner(found.flatbuffer).raw(samples(IMAGE)).astype(int) for found in made)
    assert np.abs(first - second).max() <= 1
    assert inventory(made[0].flatbuffer)["operators"] == inventory(made[1].flatbuffer)["operators"]


@pytest.mark.parametrize(
    "strategy",
    [
        "qat_w8a8_per_channel",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name, found in STRATEGIES.items()
            if (found.trained or name == "ptq_w4a8") and name != "qat_w8a8_per_channel"
        ),
    ],
)
def test_flatbuffers_of_every_strategy_compute_what_was_trained(sequence, lively, samples, work, strategy):
    wide = layers.Conv2D(16, 3, use_bias=False, name="c")  # enough channels and weights for every compression
    stack = [layers.Rescaling(1 / 255, name="r"), wide, layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.Rescaling(4.0, 1.0, name="s"), layers.Conv2D(16, 3, padding="same", name="e"), *head()]
    model = lively(sequence(IMAGE, *stack))
    given = work(IMAGE, mixed={"size_ratio": 0.9}, compression=CompressionParams(channels=0.3, energy=0.3))

    made = make(strategy, model, given.data, given.settings, seed=0)

    assert all(np.any(layer.values) for layer in layer_weights(made.flatbuffer))
    if "a16" not in strategy:  # its fake-quant model leaves activations alone
        parity = measure_parity(made.flatbuffer, made.model, samples(IMAGE), "classification")
        assert parity.figures()["parity_lsb_2_up"] == 0


@pytest.mark.parametrize("strategy", ["ptq_w4a8", pytest.param("qat_w8a8_per_channel", marks=pytest.mark.slow)])
def test_blocks_of_mobilenet_v3_compute_what_their_fake_quant_model_computes(lively, samples, work, strategy):
    x = layers.Input(IMAGE)
    y = layers.Activation(hard_swish)(conv("a", padding="same")(layers.Rescaling(1 / 127.5, -1)(x)))
    gate = layers.Conv2D(3, 1, activation=hard_sigmoid_keras3, name="g")(
        layers.GlobalAveragePooling2D(keepdims=True)(y)
    )
    y = layers.Activation(hard_swish)(conv("b")(layers.Multiply()([y, gate])))
    y = layers.Conv2D(4, 1, activation=hard_sigmoid_keras3, name="c")(y)
    y = layers.Conv2D(4, 1, name="e")(y)  # must not get the factor in which the activation before it ends
    model = lively(keras.Model(x, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(y))))
    given = work(IMAGE)

    made = make(strategy, model, given.data, given.settings, seed=0)

    parity = measure_parity(made.flatbuffer, made.model, samples(IMAGE), "classification").figures()
    assert parity["parity_agreement"] > 0.9
    assert parity["parity_lsb_2_up"] < 0.1
    assert all(np.any(layer.values) for layer in layer_weights(made.flatbuffer))
