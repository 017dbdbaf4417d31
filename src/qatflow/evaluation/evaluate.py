"""Measures one variant against the float model: what repeats exactly goes to evaluation.json, times to timings.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.errors import ConversionError
from qatflow.evaluation.agreement import agreement, lsb_histogram
from qatflow.evaluation.answers import BATCH_SIZE, Answers, answers, answers_on, save_answers
from qatflow.evaluation.figures import Answered, evaluation_of, timings_of
from qatflow.evaluation.latency import best_throughput, interleaved_latency
from qatflow.evaluation.layers import compare_layers
from qatflow.evaluation.memory import peak_memory
from qatflow.evaluation.metrics import judged, measure
from qatflow.evaluation.observe import Observed, observe
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.params.evaluate import EvaluateParams
from qatflow.progress import Progress, silent
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner

ANSWERS = "answers.npz"
"""Holds `test` and `val` of the flatbuffer, `test_float` and `val_float` of the float one; `val` where there is any."""
KERNEL_SAMPLES = 256
"""The reference kernels are up to 50 times slower, so they see at most so many samples."""


def evaluate(  # noqa: PLR0913, PLR0917 - two models, their data, how, and where to
    float_model: bytes,
    model: bytes,
    data: PreparedData,
    keras_outputs: Array | None,
    params: EvaluateParams,
    out: Path,
    progress: Progress = silent,
) -> tuple[Evaluation, Timings]:
    """Write evaluation.json, timings.json, answers.npz and outputs.npy ((n, k) float32) into `out`.

    What is reported comes from the test split. The validation split is measured besides, to choose by.

    Args:
        float_model: The float flatbuffer.
        model: The variant's flatbuffer.
        data: The prepared data; the test split is used, and the validation split.
        keras_outputs: Outputs of the fake-quant model on the first test samples, (m, …) float32, if there is one.
        params: Threads and runs.
        out: An existing folder.
        progress: Told how far it is.

    Returns:
        What the first two hold.

    Raises:
        ConversionError: If a model cannot be loaded or run, or does not fit the data.
        DataError: If the test split does not allow the task's metrics.
    """
    runners = Runner(model, threads=params.threads), Runner(float_model, threads=params.threads)
    observed = observe(runners, data, keras_outputs, out / "outputs.npy", progress)
    named = _answers(runners, observed, data)
    save_answers(out / ANSWERS, named)
    x, _ = data.test.arrays(KERNEL_SAMPLES)
    own, reference = (
        Answered(content, values, measure(data.task, observed.y, values, data.class_names))
        for content, values in ((model, observed.values), (float_model, observed.float_values))
    )
    evaluation = evaluation_of(
        data.task,
        observed.y,
        own,
        reference,
        validation=_validation(named),
        **_fake_quant(observed, data.task, runners[0].output.scale),
        **_kernels(runners[0], model, x, data.task),
        inventory=inventory(model),
        layers=compare_layers(float_model, model),
    )
    timings = _timings(float_model, model, x[:1], params, progress)
    evaluation.write(out)
    timings.write(out)
    return evaluation, timings


def _answers(runners: tuple[Runner, Runner], observed: Observed, data: PreparedData) -> dict[str, Answers]:
    """Return the answers of the flatbuffer and the float one to the test split and, if there is one, to validation."""
    given = {"test": observed.values, "test_float": observed.float_values}
    named = {name: answers(data.task, observed.y, values) for name, values in given.items()}
    if data.val.count:
        for name, runner in zip(("val", "val_float"), runners, strict=True):
            named[name] = answers_on(data.task, data.val.batches(BATCH_SIZE), runner)
    return named


def _validation(named: Mapping[str, Answers]) -> dict[str, Any] | None:
    """Return what `metric` the validation split was measured by, and both scores; None without samples there."""
    if "val" not in named:
        return None
    val, reference = named["val"], named["val_float"]
    return {
        "metric": val.metric,
        "samples": len(val.merit),
        "score": val.score,
        "float_score": reference.score,
    }


def _fake_quant(observed: Observed, task: str, scale: float) -> dict[str, Any]:
    reference = observed.fake_quant_values
    count = len(reference)
    return {
        "agreement_fake_quant": agreement(task, reference, observed.values[:count]) if count else None,
        "lsb_histogram_fake_quant": dict(observed.fake_quant_lsb) if count and scale else None,
    }


def _kernels(runner: Runner, model: bytes, x: Array, task: str) -> dict[str, Any]:
    """Compare XNNPACK with the reference kernels; these lack some operators, such as 4-bit depthwise convolutions."""
    try:
        reference = Runner(model, kernels="reference").predict(x)
    except ConversionError:
        return {"agreement_kernels": None, "lsb_histogram_kernels": None}
    outputs, scale = runner.predict(x), runner.output.scale
    return {
        "agreement_kernels": agreement(task, judged(task, x, reference), judged(task, x, outputs)),
        "lsb_histogram_kernels": lsb_histogram(outputs, reference, scale) if scale else None,
    }


def _timings(float_model: bytes, model: bytes, sample: Array, params: EvaluateParams, progress: Progress) -> Timings:
    latency, float_latency = interleaved_latency(
        (model, float_model), sample, threads=params.threads, runs=params.latency_runs, progress=progress
    )
    rate, batch = best_throughput(model, sample, params.threads)
    memory, float_memory = peak_memory((model, float_model))
    return timings_of(
        latency,
        float_latency,
        params.threads,
        throughput_per_s=rate,
        best_batch=batch,
        peak_memory_bytes=memory,
        float_peak_memory_bytes=float_memory,
    )
