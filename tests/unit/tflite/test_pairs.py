"""Float tensors between two 8-bit grids: taken out, and the answers stay."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization.canonical import canonical
from qatflow.quantization.deployed import Deployable, converted_form, settled
from qatflow.quantization.fake_quant import Grids, initial_steps, own_outputs
from qatflow.quantization.plan import Plan, plan_outputs
from qatflow.tflite.convert import convert_integer
from qatflow.tflite.inspect import inventory
from qatflow.tflite.pairs import without_pairs
from qatflow.tflite.runtime import Runner

layers = keras.layers
SHAPE = (4, 4, 3)


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).uniform(-1, 1, (16, *SHAPE)).astype(np.float32)


def converted(samples, high):
    """Convert a model that reads its input by an operator without a fake-quant; calibration ends at 1, not at high."""
    stack = [layers.Input(SHAPE), layers.Activation("hard_sigmoid"), layers.Conv2D(3, 1, name="c"), layers.Flatten()]
    flat = canonical(keras.Sequential(stack))
    plan = Plan({"c": 8}, plan_outputs(flat))
    ranges = dict.fromkeys(own_outputs(plan), (-2.0, 2.0)) | {"input_grid": (-high, high)}
    grids = Grids({"c": initial_steps(flat.get_layer("c"), 8, per_channel=True)}, ranges)
    return convert_integer(converted_form(settled(Deployable(flat, plan, grids))), samples)


def test_a_pair_between_two_grids_becomes_one_operator_in_integers(samples):
    before = converted(samples, high=2.0)
    assert inventory(before)["operators"]["DEQUANTIZE"] == 1

    after = without_pairs(before)

    assert "DEQUANTIZE" not in inventory(after)["operators"]
    assert "FLOAT32" not in inventory(after)["tensor_dtypes"]
    difference = Runner(after).raw(samples).astype(int) - Runner(before).raw(samples)
    assert np.abs(difference).max() <= 1


def test_models_without_such_a_pair_stay_as_they_are(samples):
    model = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(3, 1), layers.ELU(), layers.Flatten()])
    flatbuffer = convert_integer(model, samples)
    assert inventory(flatbuffer)["operators"]["DEQUANTIZE"] == 1  # ELU has no integer form

    assert without_pairs(flatbuffer) is flatbuffer
