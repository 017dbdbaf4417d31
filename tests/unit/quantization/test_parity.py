"""Parity during training: what it measures, and that it changes nothing."""

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.params.data import DataParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization import STRATEGIES
from qatflow.quantization.base import Work
from qatflow.quantization.deployed import converted_form
from qatflow.quantization.fake_quant import build
from qatflow.quantization.parity import Parity, ParityMonitor, measure_parity, present
from qatflow.quantization.progressive import Descend
from qatflow.quantization.run import make
from qatflow.tflite.convert import convert_float

layers = keras.layers


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits") / "prepare"
    with stage_output(root, "prepare") as out:
        prepare_data(DataParams(max_samples=130), "unit", 0, out)
    return open_prepared(root)


@pytest.fixture
def network(sequence):
    """Give a float classifier of digits with batch normalization and dropout."""
    return sequence(
        (8, 8, 1),
        layers.Conv2D(4, 3, use_bias=False, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Dropout(0.3, name="drop"),
        layers.Flatten(name="flat"),
        layers.Dense(10, activation="softmax", name="outputs"),
    )


def settings(parity_samples=0):
    return QuantizeParams(calibration_samples=32, training=QatParams(epochs=2, parity_samples=parity_samples))


def test_figures_are_shares_and_leave_steps_out_where_the_output_is_float():
    assert Parity(0.5, {"-2": 1, "-1": 1, "0": 5, "1": 2, "16": 1}).figures() == {
        "parity_agreement": 0.5,
        "parity_lsb_0": 0.5,
        "parity_lsb_1": pytest.approx(0.3),
        "parity_lsb_2_up": pytest.approx(0.2),
    }
    assert Parity(1.0, {}).figures() == {"parity_agreement": 1.0}


@pytest.mark.slow
def test_it_changes_nothing_that_trains_and_its_figures_reach_the_history(network, digits):
    def run(parity_samples):
        start(0)
        return make("qat_w8a8_per_channel", network, digits, settings(parity_samples), seed=3)

    without, watched = run(0), run(64)

    pairs = zip(without.quantized.model.get_weights(), watched.quantized.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert without.flatbuffer == watched.flatbuffer
    for before, after in zip(without.history, watched.history, strict=True):
        figures = {name: value for name, value in after.items() if name.startswith("parity_")}
        assert {name: value for name, value in after.items() if name not in figures} == before
        assert figures["parity_agreement"] >= 0.98
        assert figures["parity_lsb_0"] + figures["parity_lsb_1"] >= 0.95


@pytest.mark.slow
def test_the_monitor_keeps_a_histogram_an_epoch_over_all_outputs(network, digits):
    work = Work(digits, settings(parity_samples=20), seed=0)
    strategy = STRATEGIES["qat_w8a8_per_channel"]
    prepared = strategy.prepare(network, work)
    training = build(prepared.model, prepared.plan, prepared.grids)
    monitor = ParityMonitor(training, prepared, strategy.converter, work)
    logs = {}
    monitor.on_epoch_end(0, logs)

    assert sum(monitor.epochs[0].histogram.values()) == 20 * 10
    assert logs == monitor.epochs[0].figures()


@pytest.mark.slow
def test_a_width_on_its_way_down_counts_as_arrived(network, digits):
    work = Work(digits, settings(), seed=0)
    prepared = STRATEGIES["qat_w4a8"].prepare(network, work)
    training = converted_form(prepared)
    Descend(training, ["conv", "outputs"], steps=100)

    steps = present(training, prepared).grids.steps
    for name, step in prepared.grids.steps.items():
        np.testing.assert_allclose(steps[name], step, rtol=1e-5)


@pytest.mark.slow
def test_another_model_is_seen_as_such(network, digits):
    flatbuffer = convert_float(network)
    other = keras.models.clone_model(network)
    other.set_weights([np.roll(weight, 1, axis=-1) for weight in network.get_weights()])
    x = digits.val.arrays(limit=50)[0]

    assert measure_parity(flatbuffer, network, x, "classification").agreement == 1.0
    assert measure_parity(flatbuffer, other, x, "classification").agreement < 0.5
