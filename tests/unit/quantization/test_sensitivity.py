"""Sensitivities of a small trained classifier, on real flatbuffers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.backend import keras, start
from qatflow.evaluation.latency import interleaved_latency
from qatflow.quantization import sensitivity
from qatflow.quantization.sensitivity import Probe, sensitivities
from qatflow.tflite.convert import convert_float, convert_full_integer

LAYERS = ("conv", "hidden", "classes")


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[..., None] / 16).astype(np.float32), data.target


@pytest.fixture(scope="module")
def model(digits):
    start(3)
    stack = [
        keras.layers.Conv2D(6, 3, activation="relu", input_shape=(8, 8, 1), name="conv"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(16, activation="relu", name="hidden"),
        keras.layers.Dense(10, activation="softmax", name="classes"),
    ]
    model = keras.Sequential(stack, name="probed")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*digits, epochs=6, verbose=0)
    return model


@pytest.fixture(scope="module")
def build(model, digits):
    """Round weights per tensor to the grid of the asked width, then convert to int8."""

    def make(widths):
        original = model.get_weights()
        for layer in (model.get_layer(name) for name, bits in widths.items() if bits < 8):
            kernel, bias = layer.get_weights()
            step = np.abs(kernel).max() / (2 ** (widths[layer.name] - 1) - 1)
            layer.set_weights([np.rint(kernel / step) * step, bias])
        flatbuffer = convert_full_integer(model, digits[0][:50])
        model.set_weights(original)
        return flatbuffer

    return make


@pytest.fixture(scope="module")
def probe(model, digits):
    x, y = digits
    return Probe(x[:300], y[:300], "classification", convert_float(model))


@pytest.mark.slow
def test_each_layer_is_measured_alone_and_repeatably(build, probe):
    found = sensitivities(build, LAYERS, probe)

    assert [entry.layer for entry in found] == list(LAYERS)
    assert found == sensitivities(build, LAYERS, probe)
    for entry in found:
        assert entry.bits == 4
        assert 0 < entry.kl_nats < 1
        assert 5 < entry.sqnr_db < 50
        assert entry.sqnr_float_db <= entry.sqnr_db + 3
        assert abs(entry.accuracy_drop) < 0.3
        assert (entry.bytes_saved, entry.latency_us) == (0, 0.0)  # this stand-in stores 4-bit values as int8


@pytest.mark.slow
def test_fewer_bits_cost_more_and_the_unchanged_layer_costs_nothing(build, probe, monkeypatch):
    asked = []

    def timed(models, x, **settings):
        asked.append((len(models), settings["runs"]))
        return interleaved_latency(models, x, **settings)

    monkeypatch.setattr(sensitivity, "interleaved_latency", timed)
    at_4, at_2 = (sensitivities(build, ["hidden"], probe, bits=bits)[0] for bits in (4, 2))
    same = sensitivities(build, ["hidden"], probe, bits=8, latency_runs=5)[0]

    assert at_2.loss > at_4.loss > 0
    assert (same.loss, same.accuracy_drop, same.sqnr_db) == (0.0, 0.0, None)
    assert asked == [(2, 5)]  # equal medians are no fault


@pytest.mark.slow
def test_losses_of_layers_add_up_within_a_factor_of_two(build, probe):
    together = sensitivities(lambda widths: build(dict.fromkeys(LAYERS, 4) if widths else {}), ["all"], probe)[0]

    assert 0.5 < together.loss / sum(entry.loss for entry in sensitivities(build, LAYERS, probe)) < 2


@pytest.mark.slow
def test_other_tasks_are_judged_by_their_noise(build, probe):
    found = sensitivities(build, ["conv"], replace(probe, task="regression", y=probe.float_outputs))[0]

    assert found.kl_nats is None
    assert 0 < found.loss < 1
