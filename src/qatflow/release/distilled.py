"""Makes a bundle of one student that learnt from another bundle, say an ensemble: what `qatflow distil` does."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow import artifacts, backend
from qatflow.data.prepared import PreparedData
from qatflow.ensemble.distil import distil
from qatflow.ensemble.figures import judge, significance
from qatflow.evaluation.evaluate import evaluate
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.models.files import load_model_file
from qatflow.models.user_model import fit_to_task
from qatflow.params.evaluate import EvaluateParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization.base import Work
from qatflow.release.base import Candidate
from qatflow.release.bundle import Bundle, build_bundle, load_bundle
from qatflow.release.manifest import Lineage
from qatflow.release.own_data import OwnData, prepare_for
from qatflow.release.quantized import RESULT, check_place, put
from qatflow.tflite.convert import convert_float
from qatflow.tflite.runtime import Runner

LATENCY_RUNS = 100


@dataclass(frozen=True)
class Lesson:
    """How the student is taught.

    Attributes:
        strategy: A strategy that trains.
        epochs: Of training.
        share: Of the teacher's answers in the targets, from 0 (exclusive) to 1; the rest are the labels.
        learning_rate: At the start; it falls to nothing as a cosine.
    """

    strategy: str = "qat_w8a8_per_channel"
    epochs: int = 10
    share: float = 0.5
    learning_rate: float = 0.001

    def settings(self) -> QuantizeParams:
        """Return them as the quantization engine takes them."""
        training = QatParams(epochs=self.epochs, distillation=self.share, learning_rate=self.learning_rate)
        return QuantizeParams(training=training)


def distil_bundle(teacher: Path, student: Path, own: OwnData, lesson: Lesson, out: Path) -> dict[str, Any]:
    """Write a bundle of the student to `out` and return the content of its result.json.

    Args:
        teacher: A bundle.
        student: Float Keras model to start from, .keras or .h5, for the inputs that the bundle takes.
        own: The data, which get the bundle's preprocessing.
        lesson: Strategy and training.
        out: New, empty, or an earlier result.

    Raises:
        ArtifactError: If the bundle is not whole, or something else is at `out`.
        ModelError: If the student cannot be used, or does not fit the data or the teacher.
        ParamsError: If the strategy is unknown or does not train.
        DataError: If the data cannot be used.
    """
    check_place(out)
    bundle = load_bundle(teacher)
    backend.start(own.seed)
    with tempfile.TemporaryDirectory(prefix="qatflow-") as name:
        folder = Path(name)
        data = prepare_for(bundle.manifest, own, folder / "prepared")
        model = fit_to_task(load_model_file(student), data.input_shape, data.num_outputs, data.task)
        work = Work(data, lesson.settings(), own.seed, f"distilling {lesson.strategy}", own.progress)
        flatbuffer = distil(lesson.strategy, model, bundle.model, work)
        measured = evaluate(
            convert_float(model),
            flatbuffer,
            data,
            None,
            EvaluateParams(latency_runs=LATENCY_RUNS),
            folder,
            own.progress,
        )
        candidate = _candidate(lesson.strategy, flatbuffer, *measured)
        result = _result(candidate, bundle, data, np.load(folder / "outputs.npy", allow_pickle=False))
        lineage = _lineage(bundle, lesson, own, data)
        put(out, lambda place: build_bundle(place, candidate, data, lineage, {RESULT: result}))
    return result


def _candidate(strategy: str, flatbuffer: bytes, evaluation: Evaluation, timings: Timings) -> Candidate:
    return Candidate(
        variant=strategy,
        trained=True,
        evaluation=evaluation,
        timings=timings,
        answers={},
        model=flatbuffer,
        is_foreign=True,
    )


def _result(student: Candidate, teacher: Bundle, data: PreparedData, outputs: artifacts.Array) -> dict[str, Any]:
    """Hold the student against its teacher on the test split."""
    x, y = data.test.arrays()
    taught = Runner(teacher.model).predict(x).reshape(len(x), -1)
    pair = (student.model, outputs), (teacher.model, taught)
    learner, master = (judge(data.task, data.test, model, values, data.class_names) for model, values in pair)
    return {
        "strategy": student.variant,
        "tflite_accuracy": learner.score,
        "float_accuracy": student.evaluation.reference.score,
        "size_bytes": student.size_bytes,
        "latency_us": student.latency_us,
        "sha256": student.sha256,
        "ece": learner.ece,
        "test_samples": len(y),
        "teacher": {
            "strategy": teacher.manifest.strategy,
            "sha256": teacher.sha256,
            "score": master.score,
            "ece": master.ece,
            "size_bytes": len(teacher.model),
        },
        "p": significance(data.task, y, learner, master),
    }


def _lineage(teacher: Bundle, lesson: Lesson, own: OwnData, data: PreparedData) -> Lineage:
    taught = {"teacher": teacher.sha256, "lesson": vars(lesson), "seed": own.seed}
    return Lineage(
        git_commit=None,
        params_sha256=artifacts.digest(taught),
        data_sha256=data.card.sha256,
        data_md5=None,
        stages={},
    )
