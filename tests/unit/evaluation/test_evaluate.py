import hashlib
import json

import numpy as np
import pytest

from qatflow.evaluation.evaluate import KERNEL_SAMPLES, evaluate
from qatflow.params.evaluate import EvaluateParams
from qatflow.tflite.runtime import Runner

PARAMS = EvaluateParams(latency_runs=20)
EVALUATION = {
    "schema",
    "metric",
    "task",
    "samples",
    "score",
    "score_interval",
    "metrics",
    "float",
    "mcnemar_float_p",
    "agreement_float",
    "agreement_fake_quant",
    "agreement_kernels",
    "compression",
    "validation",
    "lsb_histogram_fake_quant",
    "lsb_histogram_kernels",
    "size_bytes",
    "size_deflate_bytes",
    "size_zstd_bytes",
    "sha256",
    "inventory",
    "layers",
}
TIMINGS = {
    "schema",
    "threads",
    "latency_us",
    "float_latency_us",
    "latency_ratio",
    "throughput_per_s",
    "best_batch",
    "peak_memory_bytes",
    "float_peak_memory_bytes",
}


@pytest.fixture
def measured(golden, tmp_path):
    """Evaluate golden models; return both files' content."""

    def run(float_name, name, data, keras_outputs=None):
        evaluate(golden[float_name], golden[name], data, keras_outputs, PARAMS, tmp_path)
        return [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("evaluation", "timings")]

    return run


def test_classification(measured, golden, digits, tmp_path):
    x, y = digits.test.arrays()
    runner, float_runner = Runner(golden["int8"]), Runner(golden["float32"])
    predicted, float_predicted = (model.predict(x).argmax(axis=1) for model in (runner, float_runner))

    evaluation, timings = measured("float32", "int8", digits, runner.predict(x[:100]))

    assert set(evaluation) == EVALUATION
    assert evaluation["samples"] == len(y) > 300
    assert evaluation["score"] == evaluation["metrics"]["accuracy"] == np.mean(predicted == y)
    assert evaluation["score"] > 0.9
    assert evaluation["score_interval"][0] < evaluation["score"] < evaluation["score_interval"][1]
    assert evaluation["float"]["score"] == np.mean(float_predicted == y)
    assert evaluation["float"]["sha256"] == hashlib.sha256(golden["float32"]).hexdigest()
    assert evaluation["float"]["size_bytes"] == len(golden["float32"])
    assert evaluation["agreement_float"] == np.mean(predicted == float_predicted)
    assert evaluation["agreement_fake_quant"] == 1.0
    assert evaluation["lsb_histogram_fake_quant"] == {"0": 1000}
    assert sum(evaluation["lsb_histogram_kernels"].values()) == KERNEL_SAMPLES * 10
    assert evaluation["agreement_kernels"] > 0.98
    assert evaluation["size_bytes"] == len(golden["int8"]) > evaluation["size_deflate_bytes"] > 1000
    assert evaluation["sha256"] == hashlib.sha256(golden["int8"]).hexdigest()
    assert np.load(tmp_path / "outputs.npy").tolist() == runner.predict(x).tolist()
    assert set(timings) == TIMINGS
    assert timings["latency_ratio"] == timings["latency_us"]["p50"] / timings["float_latency_us"]["p50"]
    assert timings["threads"] == 1
    assert timings["peak_memory_bytes"] > 0


def test_everything_but_times_repeats_exactly(golden, digits, tmp_path):
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        evaluate(golden["float32"], golden["int4"], digits, None, PARAMS, tmp_path / run)

    for name in ("evaluation.json", "outputs.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_four_bits_have_no_reference_kernels(measured, digits):
    evaluation, _ = measured("float32", "int4", digits)

    assert evaluation["agreement_kernels"] is None
    assert evaluation["lsb_histogram_kernels"] is None
    assert evaluation["agreement_fake_quant"] is None
    assert evaluation["inventory"]["weight_bytes"]["INT4"] == 712


def test_float_models_have_no_steps(measured, digits):
    evaluation, _ = measured("float32", "float32", digits, np.zeros((4, 10), np.float32))

    assert evaluation["lsb_histogram_kernels"] is None
    assert evaluation["lsb_histogram_fake_quant"] is None
    assert evaluation["agreement_kernels"] == evaluation["agreement_float"] == evaluation["mcnemar_float_p"] == 1.0


def test_regression(measured, brightness):
    evaluation, _ = measured("regressor", "regressor", brightness)

    assert evaluation["score"] == evaluation["metrics"]["r2"] > 0.95
    assert evaluation["score_interval"] is None
    assert evaluation["agreement_float"] == 1.0


def test_anomaly(measured, strange_digits):
    evaluation, _ = measured("autoencoder", "autoencoder", strange_digits)

    assert evaluation["score"] == evaluation["metrics"]["auc"] > 0.95
    assert evaluation["metrics"]["mean_error_normal"] < evaluation["metrics"]["mean_error_anomaly"]


def test_progress_ends_with_everything_done(golden, digits, tmp_path):
    told = {}

    evaluate(
        golden["float32"],
        golden["int8"],
        digits,
        None,
        EvaluateParams(latency_runs=100),
        tmp_path,
        lambda label, done, total: told.update({label: (done, total)}),
    )

    assert told == {"evaluating": (digits.test.count,) * 2, "timing": (100, 100)}
