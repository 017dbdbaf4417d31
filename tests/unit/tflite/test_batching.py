"""Batches answer as one by one, whether shapes are fixed in the file, computed from others, or fixed to one sample."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ConversionError
from qatflow.models import ARCHITECTURES
from qatflow.release.bundle import load_bundle
from qatflow.serving.served import Question, ServedModel
from qatflow.tflite.convert import convert_integer
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import Session
from tests.unit.release import fabricate

layers = keras.layers
SHAPES = {"mlp": (12,), "conv1d": (32, 2), "autoencoder": (12,)}
STACKS = {
    "reshape": [layers.Reshape((4, 2)), layers.Conv1D(3, 2), layers.Flatten()],
    "dense over steps": [layers.Reshape((2, 4)), layers.Dense(3), layers.Flatten()],
    "reshaped output": [layers.Dense(6), layers.Reshape((3, 2))],
    "transposed convolution": [layers.Reshape((2, 2, 2)), layers.Conv2DTranspose(2, 2, 2), layers.Flatten()],
    "recurrent": [layers.Reshape((2, 4)), layers.LSTM(3)],
}


def built(name):
    if name in STACKS:
        return keras.Sequential([layers.Input((8,), name="input"), *STACKS[name], layers.Softmax()], "stack")
    shape = SHAPES.get(name, (16, 16, 3))
    task, outputs = ("anomaly", shape[0]) if name == "autoencoder" else ("classification", 3)
    return ARCHITECTURES[name](shape, outputs, 0.25, task)


@pytest.mark.parametrize("name", [*ARCHITECTURES, *STACKS])
def test_every_model_answers_batches_as_one_by_one(name):
    model = built(name)
    x = np.random.default_rng(0).random((8, *model.inputs[0].shape[1:]), np.float32)
    flatbuffer = convert_integer(model, x)
    single = Session(flatbuffer)
    q = single.input.quantize(x)
    alone = np.concatenate([single.run(sample[None]) for sample in q])

    for batch in (2, 8):
        session = Session(flatbuffer, batch=batch)
        assert session.output == single.output
        assert np.array_equal(session.run(q[:batch]), alone[:batch])


@pytest.fixture
def fixed(golden, edited):
    """A flatbuffer that was made for one sample at a time, as some converters make them."""

    def fix(tree):
        for operator in tree.subgraphs[0].operators:
            if len(operator.inputs) == 2 and tree.subgraphs[0].tensors[operator.inputs[1]].shape.tolist() == [2]:
                shape = tree.subgraphs[0].tensors[operator.inputs[1]]
                tree.buffers[shape.buffer].data = np.array([1, 128], "<i4").view(np.uint8)

    model = edited(golden["int8"], fix)
    with pytest.raises(ConversionError):
        Session(model, batch=2).run(np.zeros((2, 8, 8, 1), np.int8))
    return model


def test_a_model_for_one_sample_at_a_time_runs_one_by_one(fixed, golden):
    x = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)

    assert np.array_equal(Runner(fixed).raw(x), Runner(golden["int8"]).raw(x))


def test_a_model_for_one_sample_at_a_time_is_served(fixed, golden, tmp_path):
    x = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    one = ServedModel(load_bundle(fabricate.bundle(tmp_path / "fixed", fixed)))
    other = ServedModel(load_bundle(fabricate.bundle(tmp_path / "usual", golden["int8"])))

    assert np.array_equal(one.answer(Question(x)).scores, other.answer(Question(x)).scores)
