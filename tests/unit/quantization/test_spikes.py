"""Rare values inside a network: on samples that are themselves as usual."""

from dataclasses import replace

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.quantization import STRATEGIES
from qatflow.quantization.calibration import METHODS
from qatflow.quantization.reach import answers
from qatflow.quantization.spikes import calibrated
from qatflow.tflite.runtime import Runner

layers = keras.layers
SPIKE = 8000.0


@pytest.fixture
def spiking(sequence, lively, work):
    """A network one of whose units is 0, but for the largest sample of the calibration, where it is huge."""
    stack = [layers.Dense(16, activation="relu", name="a"), layers.Dense(12, activation="relu", name="b")]
    model = lively(sequence((5,), *stack, layers.Dense(3, activation="softmax", name="c")))
    given = work((5,), calibration_samples=100)
    x = given.calibration()
    (kernel, bias), (after, shift) = (model.get_layer(name).get_weights() for name in "ab")
    sums = np.sort(x[:, 0])
    kernel[:, 0], after[0] = [SPIKE, 0, 0, 0, 0], 2e-5
    bias[0] = -SPIKE * sums[-2]
    model.get_layer("a").set_weights([kernel, bias])
    model.get_layer("b").set_weights([after, shift])
    return model, given


@pytest.mark.parametrize("method", METHODS)
def test_a_rare_spike_does_not_set_the_range_of_its_tensor(spiking, method):
    model, given = spiking

    found, reach = calibrated(model, ["a", "b"], given, method)

    assert 1 < found["a"][1] < 100
    assert reach.inner.keys() <= {"a"}
    assert all("output of 'a'" in note for note in reach.notes)
    assert found["a"][0] == 0


def test_a_quiet_network_keeps_its_ranges_and_says_nothing(sequence, lively, work):
    model = lively(sequence((5,), layers.Dense(16, activation="relu", name="a"), layers.Dense(3, name="b")))
    given = work((5,))

    assert calibrated(model, ["a", "b"], given, "min_max")[1] == given.reach


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ptq_w8a8", "qat_w8a8_per_channel"])
def test_flatbuffers_answer_as_the_float_model_does(spiking, strategy):
    model, given = spiking
    given = replace(given, settings=given.settings.model_copy(update={"calibration": "min_max"}))
    chosen, x = STRATEGIES[strategy], given.calibration()

    prepared = chosen.prepare(model, given)
    flatbuffer = chosen.convert(prepared, x)

    assert "output of 'a': its range is cut to 0 to" in prepared.reach.notes[0]
    assert np.mean(Runner(flatbuffer).predict(x).argmax(1) == answers(model, x).argmax(1)) > 0.95
