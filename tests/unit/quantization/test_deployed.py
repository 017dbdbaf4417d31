import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.kernels import columns, quantizable
from qatflow.quantization.calibration import ranges
from qatflow.quantization.canonical import canonical
from qatflow.quantization.deployed import (
    Deployable,
    converted_form,
    device_form,
    folded,
    requantization,
    shortened,
    snap_biases,
)
from qatflow.quantization.emit import to_int8
from qatflow.quantization.fake_quant import Grids, initial_steps, own_outputs
from qatflow.quantization.grid import levels
from qatflow.quantization.plan import Fixed, Own, Plan, Tied, plan_outputs
from qatflow.tflite.runtime import Runner

layers = keras.layers


def deployable(model, x, bits, *, fold=True):
    flat = canonical(model, folded=fold)
    plan = Plan({layer.name: bits for layer in quantizable(flat)}, plan_outputs(flat))
    steps = {
        name: initial_steps(flat.get_layer(name), bits, per_channel=not isinstance(flat.get_layer(name), layers.Dense))
        for name in plan.weights
    }
    return Deployable(flat, plan, Grids(steps, ranges(flat, own_outputs(plan), x, "min_max")))


def exact(flatbuffer, model, x):
    """Return the share of output values that are equal."""
    runner = Runner(flatbuffer)
    return np.mean(np.abs(runner.predict(x) - model(x).numpy()) < runner.output.scale / 2)


def test_scales_of_own_tied_and_prescribed_outputs(sequence):
    outputs = {"a": Own(), "b": Tied("a"), "c": Tied("b"), "d": Fixed(0, 255 / 256)}
    quantized = Deployable(sequence((4,)), Plan({}, outputs), Grids({}, {"a": (-1.0, 1.55)}))

    assert [quantized.scale(name) for name in "abcd"] == pytest.approx([0.01, 0.01, 0.01, 1 / 256])
    assert quantized.scale("e") is None


def test_biases_lie_on_the_grid_of_the_accumulator(sequence, lively, samples):
    model = lively(
        sequence((8, 8, 2), layers.Conv2D(4, 3, name="a"), layers.Flatten(name="f"), layers.Dense(3, name="d"))
    )
    quantized = deployable(model, samples((8, 8, 2)), 4)
    before = {name: quantized.model.get_layer(name).bias.numpy() for name in "ad"}

    snap_biases(quantized)

    for name, source in (("a", "input_grid"), ("d", "a")):
        step = quantized.scale(source) * quantized.grids.steps[name].astype(np.float64)
        q = quantized.model.get_layer(name).bias.numpy() / step
        np.testing.assert_allclose(q, np.rint(q), atol=1e-3)
        assert (np.abs(q - before[name] / step) <= 0.501).all()
        assert np.abs(q - before[name] / step).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_folding_keeps_every_weights_integer(sequence, lively, samples, bits):
    stack = [layers.Conv2D(6, 3, use_bias=False, name="c"), layers.BatchNormalization(name="n"), layers.ReLU(name="r")]
    stack += [layers.DepthwiseConv2D(3, depth_multiplier=2, name="d"), layers.BatchNormalization(name="m")]
    model = lively(sequence((10, 10, 2), *stack))
    gamma = model.get_layer("n").gamma
    gamma.assign(gamma * [1, -1, 1, -1, 1, 1])
    before = deployable(model, samples((10, 10, 2)), bits, fold=False)

    after = folded(before)

    assert [layer.name for layer in after.model.layers] == ["input", "input_grid", "c", "r", "d"]
    for name, flip in (("c", np.sign(gamma.numpy())), ("d", 1)):
        q, q_after = (
            np.clip(np.rint(columns(each.model.get_layer(name)) / each.grids.steps[name]), -levels(bits), levels(bits))
            for each in (before, after)
        )
        np.testing.assert_array_equal(q * flip, q_after)
    assert after.grids.ranges == {"input_grid": before.grids.ranges["input_grid"]} | {
        "r": before.grids.ranges["r"],
        "d": before.grids.ranges["m"],
    }
    x = samples((10, 10, 2))
    step = after.scale("d")
    assert np.percentile(np.abs(converted_form(after)(x) - converted_form(before)(x)) / step, 95) < 1.01


def test_short_steps_keep_every_weights_integer(sequence, lively, samples):
    stack = (layers.DepthwiseConv2D(3, depth_multiplier=2, name="w"), layers.Conv2D(4, 3, name="a"))
    quantized = deployable(lively(sequence((8, 8, 2), *stack)), samples((8, 8, 2)), 8)
    before = {name: columns(quantized.model.get_layer(name)) / quantized.grids.steps[name] for name in "wa"}

    found = shortened(quantized)
    for name in "wa":
        assert np.allclose(columns(found.model.get_layer(name)) / found.grids.steps[name], before[name], atol=1e-4)
        assert not np.any(found.grids.steps[name].view(np.uint32) & 0xFFFF)


def test_only_4_bit_convolutions_round_twice(sequence, lively, samples):
    stack = [layers.Conv2D(4, 3, name="c"), layers.ReLU(name="r"), layers.DepthwiseConv2D(3, name="w")]
    model = lively(sequence((8, 8, 2), *stack, layers.Flatten(name="f"), layers.Dense(3, name="d")))
    x = samples((8, 8, 2))

    found = requantization(deployable(model, x, 4))

    assert {name: rounding.away for name, rounding in found.items()} == {"r": False, "w": True}
    assert found["r"].fractions.shape == (4,)
    quantized = deployable(model, x, 4)
    scale = quantized.scale("input_grid") * quantized.grids.steps["c"] / quantized.scale("r")
    assert ((scale * found["r"].fractions >= 0.5) & (scale * found["r"].fractions < 1)).all()
    assert requantization(deployable(model, x, 8)) == {}


NETS = {
    "conv": ((8, 8, 2), lambda: [layers.Conv2D(6, 3, activation="relu", name="a"), layers.Conv2D(6, 3, name="b")]),
    "depthwise": ((8, 8, 2), lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2, name="a")]),
    "dense": ((12,), lambda: [layers.Dense(24, activation="relu", name="a"), layers.Dense(24, name="b")]),
    "conv1d": ((10, 3), lambda: [layers.Conv1D(6, 3, padding="causal", name="a"), layers.ReLU(name="r")]),
    "pooling": ((8, 8, 2), lambda: [layers.Conv2D(6, 3, name="a"), layers.AveragePooling2D(2, name="p")]),
}
ROUNDS_ONCE = {("dense", 4), ("dense", 8), ("conv", 8), ("depthwise", 8), ("conv1d", 8)}


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("net", NETS)
def test_the_device_form_gives_what_the_flatbuffer_gives(sequence, lively, samples, net, bits):
    shape, stack = NETS[net]
    x = samples(shape, 96)
    quantized = deployable(lively(sequence(shape, *stack())), x, bits)

    flatbuffer = to_int8(f"INT{bits}", quantized, x)

    assert exact(flatbuffer, device_form(quantized), x) >= 0.999
    plain = exact(flatbuffer, converted_form(quantized), x)
    assert plain >= 0.999 if (net, bits) in ROUNDS_ONCE else plain < 0.97
