"""One pass over the test split: what the flatbuffers say, and what the fake-quant model said before conversion."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.errors import ConversionError
from qatflow.evaluation.agreement import lsb_histogram
from qatflow.evaluation.metrics import counts_samples, judged
from qatflow.progress import Progress
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256


@dataclass(frozen=True, eq=False)
class Observed:
    """What was said about n test samples. The values are what `metrics.judged` gives.

    Attributes:
        y: Labels, (n, …).
        values: Of the flatbuffer, (n, …).
        float_values: Of the float flatbuffer, (n, …).
        fake_quant_values: Of the fake-quant model on the first m <= n samples, (m, …); m is 0 if there is none.
        fake_quant_lsb: `lsb_histogram` of flatbuffer minus fake-quant model on those.
    """

    y: Array
    values: Array
    float_values: Array
    fake_quant_values: Array
    fake_quant_lsb: Counter[str]


def observe(
    runners: tuple[Runner, Runner], data: PreparedData, keras_outputs: Array | None, out: Path, progress: Progress
) -> Observed:
    """Run both flatbuffers over the test split in batches; memory holds only what the task is judged by.

    Args:
        runners: Of the flatbuffer and of the float flatbuffer.
        data: The prepared data.
        keras_outputs: Outputs of the fake-quant model on the first test samples, (m, …) float32.
        out: Gets the flatbuffer's outputs, (n, k) float32, as npy; of a classifier the scores of all k classes.
        progress: Told after each batch.

    Raises:
        ConversionError: If a model does not fit the data, fails, or gives NaN or infinity.
        DataError: If the data do not fit the models' input.
    """
    for runner in runners:
        _check_outputs(runner, data)
    parts, done, count = [], 0, data.test.count
    size = int(np.prod(runners[0].output.shape))
    fake_quant = np.empty((0, size)) if keras_outputs is None else keras_outputs
    with _npy(out, (count, data.num_outputs)) as file:
        for x, y in data.test.batches(BATCH_SIZE):
            outputs, float_outputs = (_predict(runner, x, done) for runner in runners)
            values = judged(data.task, x, outputs)
            file.write((values if counts_samples(data.task) else outputs).tobytes())
            fake = fake_quant[done : done + len(x)].reshape(-1, size)
            parts.append(
                Observed(
                    y,
                    values,
                    judged(data.task, x, float_outputs),
                    judged(data.task, x[: len(fake)], fake),
                    _lsb(outputs[: len(fake)], fake, runners[0].output.scale),
                )
            )
            done += len(x)
            progress("evaluating", done, count)
    return _joined(parts)


def _check_outputs(runner: Runner, data: PreparedData) -> None:
    outputs = int(np.prod(runner.output.shape))
    if not data.suits(outputs):
        raise ConversionError(f"The model has {outputs} outputs; the data need {data.num_outputs} for {data.task}")


def _predict(runner: Runner, x: Array, offset: int) -> Array:
    outputs = runner.predict(x).reshape(len(x), -1)
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise ConversionError(f"The model gives NaN or infinity for test sample {offset + int(finite.argmin())}")
    return outputs


def _lsb(outputs: Array, fake_quant: Array, scale: float) -> Counter[str]:
    return Counter(lsb_histogram(outputs, fake_quant, scale)) if scale else Counter()


def _joined(parts: list[Observed]) -> Observed:
    y, values, float_values, fake_quant_values = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("y", "values", "float_values", "fake_quant_values")
    )
    lsb = sum((part.fake_quant_lsb for part in parts), Counter[str]())
    return Observed(y, values, float_values, fake_quant_values, lsb)


@contextmanager
def _npy(path: Path, shape: tuple[int, ...]) -> Iterator[BinaryIO]:
    """Open a float32 npy file whose rows are written one batch after the other."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        yield file
