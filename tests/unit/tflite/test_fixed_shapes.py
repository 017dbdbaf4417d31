"""Shapes that the converter left to be computed stand in the file, and no answer changes."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models import ARCHITECTURES
from qatflow.tflite import convert
from qatflow.tflite.fixed_shapes import with_fixed_shapes
from qatflow.tflite.inspect import inventory, parse
from qatflow.tflite.runtime import Runner

layers = keras.layers
COMPUTING = {"SHAPE", "STRIDED_SLICE", "GATHER", "REDUCE_PROD", "PACK"}
STACKS = {
    "reshape": [layers.Reshape((4, 2, 1)), layers.Conv2D(3, 2), layers.Flatten(), layers.Dense(2)],
    "reshaped output": [layers.Dense(6), layers.Reshape((3, 2))],
    "dense over steps": [layers.Reshape((2, 4)), layers.Dense(3), layers.Dense(5), layers.Flatten(), layers.Dense(2)],
}


def built(name):
    if name == "conv1d":
        return ARCHITECTURES["conv1d"]((32, 2), 3, 0.25, "classification")
    return keras.Sequential([layers.Input((8,), name="input"), *STACKS[name]], "stack")


@pytest.mark.parametrize("kind", ["float", "integer"])
@pytest.mark.parametrize("name", ["conv1d", *STACKS])
def test_no_shape_is_computed_and_no_answer_changes(name, kind, monkeypatch):
    model = built(name)
    x = np.random.default_rng(0).normal(size=(8, *model.inputs[0].shape[1:])).astype(np.float32)
    monkeypatch.setattr(convert, "with_fixed_shapes", lambda flatbuffer: flatbuffer)
    before = convert.convert_float(model) if kind == "float" else convert.convert_integer(model, x)

    after = with_fixed_shapes(before)

    assert COMPUTING & inventory(before)["operators"].keys()
    assert not COMPUTING & inventory(after)["operators"].keys()
    assert len(after) < len(before)
    assert with_fixed_shapes(before) == after
    assert with_fixed_shapes(after) is after
    for kernels in ("xnnpack", "reference"):
        runners = [Runner(flatbuffer, kernels=kernels, batch_size=8) for flatbuffer in (before, after)]
        assert np.array_equal(*(runner.raw(x) for runner in runners))
    graph = parse(after).subgraphs[0]
    produced = [graph.tensors[index] for operator in graph.operators for index in operator.outputs]
    assert all(tensor.shape[0] in {1, 2} and tensor.shape.min() > 0 for tensor in produced)  # of one sample, two steps


def test_shapes_that_more_than_reshape_reads_stay():
    model = keras.Sequential([layers.Input((2, 2, 2), name="input"), layers.Conv2DTranspose(2, 2, 2)], "up")
    flatbuffer = convert.convert_float(model)

    assert with_fixed_shapes(flatbuffer) is flatbuffer
    assert "SHAPE" in inventory(flatbuffer)["operators"]


def test_a_flatbuffer_without_them_is_left_alone(golden):
    assert with_fixed_shapes(golden["int8"]) is golden["int8"]
