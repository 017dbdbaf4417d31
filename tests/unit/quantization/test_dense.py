"""Dense layers with a step for each output: the flatbuffer holds the grid that was chosen."""

from dataclasses import replace

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.calibration import ranges
from qatflow.quantization.canonical import canonical
from qatflow.quantization.dense import left_to_converter, on_converters_grid, without_left
from qatflow.quantization.deployed import Deployable, device_form
from qatflow.quantization.emit import to_int8
from qatflow.quantization.fake_quant import Grids, columns, initial_steps, own_outputs
from qatflow.quantization.plan import Plan, plan_outputs
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers


@pytest.fixture
def prepared(sequence, samples):
    """Give a calibrated model of two dense layers, the first with a step for each output, of very unequal ranges."""
    model = sequence((12,), layers.Dense(6, activation="relu", name="a"), layers.Dense(3, name="b"))
    rng = np.random.default_rng(3)
    kernel = rng.normal(0, 1, (12, 6)) * np.logspace(-2, 0.5, 6)
    model.get_layer("a").set_weights([kernel, rng.normal(0, 0.1, 6)])
    flat = canonical(model)
    plan = Plan({"a": 8, "b": 8}, plan_outputs(flat))
    steps = {name: initial_steps(flat.get_layer(name), 8, per_channel=name == "a") for name in ("a", "b")}
    found = ranges(flat, own_outputs(plan), samples((12,)), "min_max")
    return Deployable(flat, plan, Grids(steps, found))


def parts(prepared):
    return prepared.model, prepared.plan, prepared.grids


def test_only_layers_with_a_step_for_each_output_are_left_to_the_converter(prepared):
    assert left_to_converter(*parts(prepared)) == {"a"}
    assert without_left(*parts(prepared)) == Plan({"b": 8}, prepared.plan.outputs)


def test_weights_lie_on_a_grid_that_reaches_the_largest_and_moved_by_half_a_step_at_most(prepared):
    layer = prepared.model.get_layer("a")
    before, reach = columns(layer), prepared.grids.steps["a"] * 127

    steps = on_converters_grid(*parts(prepared)).steps

    after = columns(layer)
    q = after / steps["a"]
    np.testing.assert_allclose(q, np.rint(q), atol=1e-4)
    np.testing.assert_allclose(np.abs(q).max(axis=0), 127, atol=1e-4)
    assert (np.abs(after - np.clip(before, -reach, reach)) <= steps["a"] * 0.501).all()
    assert np.ndim(steps["b"]) == 0


def test_what_was_rounded_stays(prepared):
    grids = on_converters_grid(*parts(prepared))
    kernel = columns(prepared.model.get_layer("a"))

    again = on_converters_grid(prepared.model, prepared.plan, grids)

    np.testing.assert_allclose(columns(prepared.model.get_layer("a")), kernel, rtol=1e-6)
    np.testing.assert_allclose(again.steps["a"], grids.steps["a"], rtol=1e-6)


@pytest.mark.slow
def test_the_flatbuffer_has_these_weights_and_computes_what_the_device_form_does(prepared, samples):
    x = samples((12,), 200)
    ready = replace(prepared, grids=on_converters_grid(*parts(prepared)))

    flatbuffer = to_int8("INT8", ready, x[:50])

    stored = layer_weights(flatbuffer)
    assert [(layer.operator, layer.dtype) for layer in stored] == [("FULLY_CONNECTED", "INT8")] * 2
    np.testing.assert_allclose(stored[0].values, columns(ready.model.get_layer("a")).T, rtol=1e-5, atol=1e-9)
    runner = Runner(flatbuffer)
    steps = (runner.predict(x) - device_form(ready).predict(x, verbose=0)) / runner.output.scale
    assert np.mean(np.rint(steps) == 0) >= 0.99
