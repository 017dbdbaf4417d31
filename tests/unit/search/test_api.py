"""Quantization from Python, by the real engine."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import qatflow
from qatflow.errors import DataError, ParamsError
from qatflow.search.options import Options
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.runtime import Runner

QUICK = Options(epochs=1, latency_runs=3)


def test_importing_the_package_does_not_import_tensorflow():
    program = "import qatflow, sys; assert 'quantize' in dir(qatflow); sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_unknown_names_of_the_package():
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        qatflow.quantise  # noqa: B018


def test_an_unknown_strategy_is_refused_before_anything_is_read():
    with pytest.raises(ParamsError, match="Did you mean 'qat_w4a8'"):
        qatflow.quantize(None, None, strategy="qat_w4a")


@pytest.mark.slow
def test_one_strategy(classifier, arrays):
    before = classifier.get_weights()

    result = qatflow.quantize(classifier, arrays, strategy="ptq_w8a8", options=QUICK)

    runner = Runner(result.flatbuffer)
    assert (runner.input.dtype, result.strategy) == ("int8", "ptq_w8a8")
    assert np.mean(runner.predict(arrays[0]).argmax(axis=1) == arrays[1]) > 0.9
    assert all(np.array_equal(old, new) for old, new in zip(before, classifier.get_weights(), strict=True))


@pytest.mark.slow
def test_the_search_is_repeatable_and_keeps_its_promise(classifier, arrays):
    first, second = (qatflow.auto_quantize(classifier, arrays, max_drop=0.05, options=QUICK) for _ in range(2))
    facts = first.to_dict()

    assert facts["sha256"] == second.to_dict()["sha256"]
    assert first.chosen.val_score >= first.trials[0].val_score - 0.05
    assert facts["size_bytes"] < 0.6 * facts["float_size_bytes"]
    assert facts["size_bytes"] == min(
        trial.size_bytes
        for trial in first.trials
        if trial.status == "measured" and trial.val_score >= first.trials[0].val_score - 0.05
    )


@pytest.mark.slow
def test_a_caller_decides_on_layers_and_calibration(classifier, arrays, tmp_path):
    x, _ = arrays
    np.savez(tmp_path / "own.npz", x=x[:50] * 3, other=x[:1])
    path = tmp_path / "own.npz"

    plain, held, read = (
        qatflow.quantize(
            classifier, arrays, "ptq_w8a8", options=replace(QUICK, layers={"cl*": "float"}, calibration=own)
        )
        for own in (None, x[:50] * 3, str(path))
    )

    assert held.flatbuffer == read.flatbuffer
    assert Runner(held.flatbuffer).input.scale == pytest.approx(3 * Runner(plain.flatbuffer).input.scale, rel=0.01)
    assert {layer.name: layer.dtype for layer in layer_weights(held.flatbuffer)} == {
        "hidden": "INT8",
        "classes": "FLOAT32",
    }
    assert repr(held).startswith("<SearchResult ptq_w8a8: ")
    assert held._repr_html_().count("➤") == 1
    assert len(repr(held)) < 120


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (np.zeros((5, 8, 8)), r"calibration has shape \(5, 8, 8\); expected samples \(n, 8, 8, 1\)"),
        (np.full((5, 8, 8, 1), np.nan), "calibration holds NaN"),
        (np.zeros((1, 8, 8, 1)), "would see 1 sample"),
        ("nowhere.npz", "nowhere.npz"),
    ],
)
def test_samples_that_cannot_calibrate_are_refused(classifier, data, calibration, said):
    with pytest.raises(DataError, match=said):
        qatflow.quantize(classifier, data, "qat_w4a8", options=Options(calibration=calibration))


def test_an_unknown_layer_is_refused_before_any_candidate_is_made(classifier, data):
    made = []

    with pytest.raises(ParamsError, match=r"no layer of the model\. Did you mean 'hidden'"):
        qatflow.quantize(classifier, data, options=Options(layers={"hiden": 8}, on_trial=made.append))
    assert made == []
