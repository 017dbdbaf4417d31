"""The range of the input, and what is said of it."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization import STRATEGIES
from qatflow.quantization.reach import WHOLE, answers, survey
from qatflow.tflite.runtime import Runner

layers = keras.layers
STACK = (layers.Dense, 16, "relu"), (layers.Dense, 3, "softmax")


@pytest.fixture
def net(sequence, lively):
    def build(*front):
        stack = [layers.Dense(16, activation="relu", name="a"), layers.Dense(3, activation="softmax", name="b")]
        return lively(sequence((5,), *front, *stack))

    return build


@pytest.fixture
def broken(samples):
    """Give samples of which a few hold one broken reading."""

    def give(reading, count=4, column=2):
        x = samples((5,), 300)
        x[:count, column] = reading
        return x

    return give


def test_clean_samples_decide_for_themselves(net, samples):
    assert survey(net(), samples((5,), 300), "classification") == WHOLE
    assert survey(net(), np.ones((300, 5), np.float32), "classification") == WHOLE
    assert survey(net(), np.abs(samples((5,), 300)), "regression") == WHOLE


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("reading", [1e6, -1e30, 3.4e38])
def test_a_few_broken_readings_do_not_set_the_range(net, broken, reading, bits):
    model, x = net(), broken(reading)

    found = survey(model, x, "classification", bits)

    assert max(-found.limits[0], found.limits[1]) < 100 * 2 ** (bits - 8)
    assert max(-found.limits[0], found.limits[1]) > 2
    assert "of 1500 calibration values lie outside" in found.notes[0]
    np.testing.assert_array_equal(found.clip(x)[9], x[9])


def test_values_that_carry_the_answer_are_kept(sequence):
    """One sample in ten says "alarm" by a value of 40: that is no broken reading."""
    model = sequence((4,), layers.Dense(2, activation="softmax", name="d"))
    model.set_weights([np.array([[0, 0.5], [0, 0], [0, 0], [0, 0]]), np.array([10.0, 0.0])])
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    x[::10, 0] = 40

    limits = survey(model, x, "classification").limits

    assert limits is None or limits[1] > 20


def test_features_of_other_units_are_named_with_the_way_out(net, samples):
    front = layers.Normalization(mean=[3e6, 0, 0, 0, 0], variance=[1e12, 1, 1, 1, 1])
    x = samples((5,), 300) * np.array([1e6, 1, 1, 1, 1], np.float32) + np.array([3e6, 0, 0, 0, 0], np.float32)

    found = survey(net(front), x, "classification", names=("pressure", "a", "b", "c", "d"))

    assert found.limits is None
    assert "for 'pressure'; of its 256 levels the middle 99 % of" in found.notes[0]
    assert "'a' (1)" in found.notes[0]
    assert "data.normalize: standard" in found.notes[0]


def test_few_levels_of_the_whole_input_are_told(net, samples):
    front = layers.Normalization(mean=[1000.0] * 5, variance=[1.0] * 5)

    found = survey(net(front), samples((5,), 300) + 1000, "classification")

    assert "get 1 of 256 levels, for its range is 0 to 100" in found.notes[0]
    assert "data.normalize: standard" in found.notes[0]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ptq_w8a8", "ptq_w8a16", "ptq_w4a8", "qat_w8a8_per_tensor", "qat_w8a16"])
def test_every_integer_strategy_answers_clean_samples_as_the_float_model_does(
    net, broken, samples, work, strategy, monkeypatch
):
    model, x = net(), broken(1e5)
    given = work((5,), training={"learning_rate": 1e-5})
    monkeypatch.setattr(given.data.train, "arrays", lambda limit=None: (x[:limit], None))
    chosen = STRATEGIES[strategy]

    prepared = chosen.prepare(model, given)
    flatbuffer = chosen.convert(chosen.train(prepared, model, given).quantized, x)

    clean = samples((5,), 300)[50:]
    assert prepared.reach.notes
    assert np.mean(Runner(flatbuffer).predict(clean).argmax(1) == answers(model, clean).argmax(1)) > 0.9
