"""Dense layers with a step for each output: the flatbuffer holds the grid that was chosen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.kernels import columns
from qatflow.params.quantize import QuantizeParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.base import Work
from qatflow.quantization.calibration import ranges
from qatflow.quantization.canonical import canonical
from qatflow.quantization.dense import as_converted, left_to_converter, without_left
from qatflow.quantization.deployed import Deployable, device_form, on_converters_grid
from qatflow.quantization.emit import to_int8
from qatflow.quantization.fake_quant import Grids, initial_steps, own_outputs
from qatflow.quantization.plan import Plan, plan_outputs
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner

layers = keras.layers


class Given:
    """A split of given samples."""

    def __init__(self, x):
        self.x = x

    def arrays(self, limit=None):
        return self.x[:limit], None


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

    steps = as_converted(*parts(prepared)).steps

    after = columns(layer)
    q = after / steps["a"]
    np.testing.assert_allclose(q, np.rint(q), atol=1e-4)
    np.testing.assert_allclose(np.abs(q).max(axis=0), 127, atol=1e-4)
    assert (np.abs(after - np.clip(before, -reach, reach)) <= steps["a"] * 0.501).all()
    assert np.ndim(steps["b"]) == 0


def test_what_was_rounded_stays(prepared):
    grids = as_converted(*parts(prepared))
    kernel = columns(prepared.model.get_layer("a"))

    again = as_converted(prepared.model, prepared.plan, grids)

    np.testing.assert_allclose(columns(prepared.model.get_layer("a")), kernel, rtol=1e-6)
    np.testing.assert_allclose(again.steps["a"], grids.steps["a"], rtol=1e-6)


@pytest.mark.slow
def test_the_flatbuffer_has_these_weights_and_computes_what_the_device_form_does(prepared, samples):
    x = samples((12,), 200)
    ready = on_converters_grid(prepared)

    flatbuffer = to_int8("INT8", ready, x[:50])

    stored = layer_weights(flatbuffer)
    assert [(layer.operator, layer.dtype) for layer in stored] == [("FULLY_CONNECTED", "INT8")] * 2
    np.testing.assert_allclose(stored[0].values, columns(ready.model.get_layer("a")).T, rtol=1e-5, atol=1e-9)
    runner = Runner(flatbuffer)
    steps = (runner.predict(x) - device_form(ready).predict(x, verbose=0)) / runner.output.scale
    assert np.mean(np.rint(steps) == 0) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "wanted"), [("qat_w8a8_per_channel", {6}), ("qat_w8a8_per_tensor", {1})])
def test_a_strategy_takes_it_from_the_parameters(strategy, wanted, sequence, samples):
    model = sequence((12,), layers.Dense(6, activation="relu", name="a"), layers.Dense(6, name="b"))
    work = Work(
        SimpleNamespace(train=Given(samples((12,))), card=SimpleNamespace(feature_names=()), task="regression"),
        QuantizeParams(dense="per_channel"),
        seed=0,
    )
    chosen = replace(STRATEGIES[strategy], trained=False)

    quantized = chosen.prepare(model, work)

    assert {np.size(step) for step in quantized.grids.steps.values()} == wanted
    runner = Runner(chosen.convert(quantized, work.calibration()))
    x = samples((12,), 100)
    steps = (runner.predict(x) - device_form(quantized).predict(x, verbose=0)) / runner.output.scale
    assert np.mean(np.rint(steps) == 0) >= 0.99
