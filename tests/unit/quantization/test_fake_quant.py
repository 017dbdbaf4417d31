import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.kernels import columns
from qatflow.quantization.fake_quant import (
    Grids,
    Learn,
    build,
    grids_of,
    initial_steps,
    own_outputs,
    weights_of,
    wrappers,
)
from qatflow.quantization.plan import Fixed, Own, Plan, Tied

layers = keras.layers


@pytest.fixture
def model(sequence, lively):
    stack = [layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm"), layers.ReLU(name="relu")]
    stack += [layers.AveragePooling2D(2, name="mean"), layers.DepthwiseConv2D(2, depth_multiplier=2, name="depth")]
    stack += [layers.Flatten(name="flat"), layers.Dense(3, name="d"), layers.Softmax(name="end")]
    return lively(sequence((8, 8, 2), *stack))


PLAN = Plan(
    {"conv": 4, "depth": 8, "d": 4},
    {"relu": Own(), "mean": Tied("relu"), "depth": Own(), "d": Own(), "end": Fixed(0, 255 / 256)},
)


@pytest.fixture
def grids(model):
    steps = {
        name: initial_steps(model.get_layer(name), bits, per_channel=name != "d") for name, bits in PLAN.weights.items()
    }
    return Grids(steps, {"relu": (0.0, 4.0), "depth": (-2.0, 3.0), "d": (-5.0, 5.0)})


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((8, 3), layers.Conv1D(4, 3, name="a"), (9, 4)),
        ((8, 8, 3), layers.Conv2D(4, 3, name="a"), (27, 4)),
        ((8, 8, 3), layers.DepthwiseConv2D(3, depth_multiplier=2, name="a"), (9, 6)),
        ((5,), layers.Dense(4, name="a"), (5, 4)),
    ],
)
def test_a_column_of_weights_for_each_channel(sequence, shape, layer, expected):
    model = sequence(shape, layer)

    assert columns(model.get_layer("a")).shape == expected
    for method in ("mse", "full"):
        assert initial_steps(layer, 4, per_channel=True, method=method).shape == (expected[1],)
        assert initial_steps(layer, 4, per_channel=False, method=method).shape == ()
    full = initial_steps(layer, 8, per_channel=False, method="full")
    assert full == pytest.approx(np.abs(columns(layer)).max() / 127)


def test_grids_are_read_back_as_they_were_given(model, grids):
    found = grids_of(build(model, PLAN, grids), PLAN)

    assert own_outputs(PLAN) == ["relu", "depth", "d"]
    assert found.ranges == {name: pytest.approx(wanted) for name, wanted in grids.ranges.items()}
    for name, steps in grids.steps.items():
        np.testing.assert_allclose(found.steps[name], steps, rtol=1e-5)


def test_only_named_layers_are_wrapped_and_outputs_lie_on_their_grids(model, grids, samples):
    network = build(model, PLAN, grids)
    held = wrappers(network)

    assert set(held) == {"conv", "relu", "mean", "depth", "d", "end"}
    probe = keras.Model(network.inputs, [held[name].output for name in ("relu", "mean", "end")])
    for values, scale in zip(probe(samples((8, 8, 2))), (4 / 255, 4 / 255, 1 / 256), strict=True):
        q = values.numpy() / scale
        np.testing.assert_allclose(q, np.rint(q), atol=1e-3)


@pytest.mark.parametrize(
    ("learn", "steps", "ranges"),
    [(Learn(), 0, 0), (Learn(steps=True), 3, 0), (Learn(ranges=True), 0, 5), (Learn(True, True), 3, 5)],
)
def test_only_what_is_to_be_learned_is_trained_and_prescribed_ranges_never(model, grids, learn, steps, ranges):
    names = [variable.name for variable in build(model, PLAN, grids, learn).trainable_variables]

    assert sum("log_step" in name for name in names) == steps
    assert sum("log_low" in name or "log_high" in name for name in names) == ranges  # relu, depth 2, d 2


def test_weights_come_back_into_the_float_model(model, grids):
    network = build(model, PLAN, grids)
    before = {weight.name: weight.numpy() for weight in model.weights}
    kernels = [w for w in network.weights if "log_" not in w.name and "top" not in w.name]
    for weight in kernels:
        if weight.dtype.is_floating:
            weight.assign(weight * 2 + 1)

    weights_of(network, model)

    for weight in model.weights:
        np.testing.assert_allclose(weight, before[weight.name] * 2 + 1, rtol=1e-6)
