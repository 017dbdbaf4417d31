"""The alarm: nothing for a sound flatbuffer, one line with the layer for a broken one."""

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.evaluation.alarm import noise_of
from qatflow.params.data import DataParams
from qatflow.params.quantize import QuantizeParams
from qatflow.quantization.alarm import alarm_of, luck
from qatflow.quantization.run import make
from qatflow.tflite.inspect import WEIGHTS, operator_name
from qatflow.tflite.rewrite import pack, parse

layers = keras.layers


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits") / "prepare"
    with stage_output(root, "prepare") as out:
        prepare_data(DataParams(), "unit", 0, out)
    return open_prepared(root)


@pytest.fixture(scope="module", params=["ptq_w8a8", "ptq_w4a8"])
def made(request, digits):
    start(0)
    stack = [
        layers.Input((8, 8, 1)),
        layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.Conv2D(8, 3, name="c"),
    ]
    model = keras.Sequential([*stack, layers.ReLU(), layers.Flatten(), layers.Dense(10, "softmax", name="classes")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*digits.train.arrays(), epochs=4, verbose=0)
    return make(request.param, model, digits, QuantizeParams(calibration_samples=64), seed=0)


def with_zeros(flatbuffer, number):
    """Return a flatbuffer in which the weights of its operator of that number are 0."""
    tree = parse(flatbuffer)
    (graph,) = tree.subgraphs
    op = [op for op in graph.operators if operator_name(tree, op) in {"CONV_2D", "FULLY_CONNECTED"}][number]
    buffer = tree.buffers[graph.tensors[op.inputs[WEIGHTS]].buffer]
    buffer.data = np.zeros_like(buffer.data)
    return pack(tree)


def test_what_computes_what_it_should_raises_none(made):
    assert made.alarm is None


def test_a_broken_layer_is_named_with_its_cause(made, digits):
    alarm = alarm_of(with_zeros(made.flatbuffer, 1), made.quantized, made.model, digits)

    assert alarm.where == "the two part at 'c': all its weights are 0"
    assert alarm.of_conversion is (made.strategy == "ptq_w4a8")  # the other has no fake-quant model
    assert "of 256 samples" in str(alarm) or "on 256 samples, the float model 0.9" in str(alarm)


def test_an_input_whose_grid_a_few_values_stretch_is_named(made, digits):
    tree = parse(made.flatbuffer)
    (graph,) = tree.subgraphs
    graph.tensors[graph.inputs[0]].quantization.scale = np.asarray([2.0], np.float32)

    alarm = alarm_of(pack(tree), made.quantized, made.model, digits)

    assert alarm.where.startswith("the two part at the input: its noise is ")


def test_few_other_answers_part_two_scores_by_chance_only():
    """A model near chance, 0.342 of 120 samples right, was called broken for two samples fewer."""
    answers = np.eye(4)[np.zeros(100, int)]
    others = np.eye(4)[np.repeat([1, 0], [4, 96])]

    assert luck(answers, answers, "classification") == 0
    assert luck(answers, others, "classification") == pytest.approx(2 * np.sqrt(4) / 100)
    assert luck(answers, others, "regression") == 0


def test_noise_is_that_of_the_middle_values():
    values = np.random.default_rng(0).normal(size=10_000)
    stretched = np.concatenate([values, [1e6]])

    assert noise_of(values, values + 0.1) == pytest.approx(0.01, rel=0.1)
    assert noise_of(stretched, np.concatenate([np.zeros(10_000), [1e6]])) == pytest.approx(1, rel=0.1)
    assert noise_of(np.ones(5), np.zeros(5)) == 0
