"""Recurrent models after training: one operator for each LSTM where TFLite has it; else a note on what it costs."""

import numpy as np
import pytest

from qatflow.artifacts import sha256_bytes
from qatflow.backend import keras
from qatflow.models.unroll import is_one_operator, loops, rolled, unroll
from qatflow.quantization.reach import answers
from qatflow.quantization.recurrent import to_integer, unrolled_notes
from qatflow.tflite.convert import convert_float, convert_integer
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import Session

layers = keras.layers
SHAPE = (8, 3)
OPERATOR = "UNIDIRECTIONAL_SEQUENCE_LSTM"


@pytest.fixture
def net(sequence, lively):
    return lambda *stack: lively(sequence(SHAPE, *stack, layers.Dense(3, activation="softmax", name="d")))


@pytest.fixture
def lstm(net):
    return net(layers.LSTM(6, return_sequences=True, name="a"), layers.LSTM(5, name="b"))


@pytest.fixture
def fused(lstm, samples):
    return to_integer(lstm, samples(SHAPE))


@pytest.mark.slow
def test_an_lstm_is_one_operator_and_answers_as_the_float_model_does(lstm, fused, samples):
    x = samples(SHAPE)
    written = convert_integer(lstm, x)

    assert inventory(fused)["operators"][OPERATOR] == 2
    assert len(fused) < len(written) / 3
    assert np.abs(Runner(fused).predict(x) - answers(lstm, x)).max() < 0.03
    assert not list(unrolled_notes(lstm, fused))
    assert "'a' over 8 steps, 'b' over 8 steps is written out" in next(unrolled_notes(unroll(lstm), written))


@pytest.mark.slow
def test_equal_models_give_equal_bytes(lstm, fused, samples):
    assert sha256_bytes(to_integer(lstm, samples(SHAPE))) == sha256_bytes(fused)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["integer", "float"])
def test_no_sample_is_answered_in_the_light_of_another(lstm, fused, samples, form):
    model, x = fused if form == "integer" else convert_float(lstm), samples(SHAPE, 9)
    together = Runner(model).raw(x)
    session = Session(model)

    assert np.array_equal(Runner(model, batch_size=4, threads=2).raw(x[::-1]), together[::-1])
    first = session.run(session.input.quantize(x[:1]))
    session.repeat()
    assert np.array_equal(session.run(session.input.quantize(x[:1])), first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        layers.GRU(4, name="r"),
        layers.SimpleRNN(4, name="r"),
        layers.Bidirectional(layers.LSTM(4), name="r"),
        layers.LSTM(4, activation="relu", name="r"),
    ],
)
def test_others_keep_their_loop_as_floats_and_are_written_out_as_integers(net, samples, layer):
    model, x = net(layer), samples(SHAPE)

    kept, written = convert_float(model), to_integer(model, x)

    np.testing.assert_allclose(Runner(kept).predict(x), answers(model, x), atol=1e-5)
    assert {"WHILE", OPERATOR} & inventory(kept)["operators"].keys()
    assert len(kept) < len(written)
    note = next(unrolled_notes(model, written))
    assert note.startswith("'r' over 8 steps is written out")
    assert f"of {len(written)} bytes" in note


def test_which_layers_are_one_operator():
    def kind(layer):
        return is_one_operator(keras.Sequential([layers.Input(SHAPE), layer]).layers[0])

    assert kind(layers.LSTM(2))
    assert kind(layers.LSTM(2, go_backwards=True, return_sequences=True))
    assert not any(
        kind(layer)
        for layer in (
            layers.LSTM(2, recurrent_activation="hard_sigmoid"),
            layers.LSTM(2, use_bias=False),
            layers.GRU(2),
            layers.RNN(layers.LSTMCell(2)),
            layers.Bidirectional(layers.LSTM(2)),
        )
    )


def test_a_state_from_elsewhere_is_no_part_of_the_operator():
    x = layers.Input(SHAPE)
    layer = layers.LSTM(2)
    layer(x, initial_state=[layers.Dense(2)(x[:, 0]), layers.Dense(2)(x[:, 1])])

    assert not is_one_operator(layer)


def test_what_its_owner_wrote_out_is_rolled_up_again(samples, net):
    model = net(layers.Bidirectional(layers.GRU(2, unroll=True, return_sequences=True)), layers.LSTM(2, unroll=True))

    assert not loops(model)
    assert loops(rolled(model))
    np.testing.assert_allclose(rolled(model)(samples(SHAPE)), model(samples(SHAPE)), atol=1e-5)
