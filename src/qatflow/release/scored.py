"""Measures a bundle or a flatbuffer on data: what `qatflow.evaluate` and `qatflow evaluate` do. No TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data import SOURCES
from qatflow.data.base import RawData, in_order
from qatflow.data.csv_table import columns_of
from qatflow.data.given import save_given
from qatflow.data.prepared import PreparedData
from qatflow.errors import DataError, ParamsError, lookup
from qatflow.evaluation.metrics import SCORES, judged, measure, score_of
from qatflow.evaluation.tasks import TASKS
from qatflow.extras import named
from qatflow.params.data import DataParams
from qatflow.release import bundle_runtime
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.own_data import image_size
from qatflow.search.recognise import recognise
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256


@dataclass(frozen=True)
class Scored:
    """Figures of a model on data.

    Attributes:
        task: classification, multi_label, regression or anomaly.
        metrics: Of the task, see `evaluation.metrics.measure`.
        samples: How many were measured.
    """

    task: str
    metrics: dict[str, Any]
    samples: int

    @property
    def metric(self) -> str:
        """Name of the score: accuracy, r2 or auc."""
        return SCORES[self.task]

    @property
    def score(self) -> float:
        """The figure that `metric` names; higher is better."""
        return score_of(self.task, self.metrics)


@dataclass(frozen=True)
class _Subject:
    """What is measured, and what its numbers mean; `labels` is None for a flatbuffer, which names no classes."""

    model: bytes
    task: str
    labels: tuple[str, ...] | None
    facts: dict[str, Any]


@named("qatflow.evaluate")
def evaluate(
    model: Bundle | bytes | Path | str,
    data: Any,
    *,
    task: str | None = None,
    source: str | None = None,
    label: str | None = None,
    device: str = "cpu",
) -> Scored:
    """Measure a model on all samples of data in their own units, or on the test split of prepared data.

    Columns are found by their names, classes by theirs; a class may be absent. What the model was trained on flatters
    it.

    Args:
        model: A bundle, its folder, a .tflite file, or the flatbuffer itself.
        data: Path of a file or folder, or `digits`; (x, y), or (x_train, y_train, x_test, y_test); or PreparedData.
        task: Of a flatbuffer, which does not say it: classification, multi_label, regression or anomaly.
        source: Kind of data, where it is not told from the path.
        label: Column to predict of a table; None for the only one that the bundle does not take.
        device: cpu or gpu; never silently another.

    Raises:
        DataError: If the data cannot be used, or are of other columns, shapes or classes.
        ParamsError: If the task of a flatbuffer is not said.
        ArtifactError: If there is no whole bundle.
        ConversionError: If the model does not run.

    Example:
        >>> scored = qatflow.evaluate("quantized", (x, y))
        >>> scored.metric, scored.samples
        ('accuracy', 1797)
        >>> scored.score > 0.9
        True
    """
    found = opened(model)
    if isinstance(data, PreparedData):
        content = found if isinstance(found, bytes) else found.model
        batches = data.test.batches(BATCH_SIZE)
        return _measured(Runner(content, device=device), data.task, batches, data.class_names)
    subject = _subject(found, task)
    if isinstance(data, (str, Path)):
        return _on_path(subject, str(data), source, label, device)
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        return _on_path(subject, str(save_given(data, Path(folder), texts=True)), "arrays", None, device)


def opened(model: Bundle | bytes | Path | str) -> Bundle | bytes:
    """Return a bundle, or a flatbuffer.

    Raises:
        ArtifactError: If there is no whole bundle.
        DataError: If a file cannot be read.
    """
    if isinstance(model, (Bundle, bytes)):
        return model
    if Path(model).is_dir():
        return load_bundle(model)
    try:
        return Path(model).read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {model}: {error.strerror}") from None


def _subject(model: Bundle | bytes, task: str | None) -> _Subject:
    if isinstance(model, Bundle):
        manifest = model.manifest
        if task not in {None, manifest.task}:
            raise ParamsError(f"task is {task}, but the bundle's is {manifest.task}; leave it out")
        return _Subject(model.model, manifest.task, manifest.labels, manifest.model_dump())
    if task is None:
        raise ParamsError(f"A flatbuffer does not say its task; name it with task=…: {', '.join(TASKS)}")
    lookup("task", task, TASKS)
    plain = {"scale": 1.0, "offset": 0.0}
    facts = {"input": {"shape": Runner(model).input.shape}, "features": (), "preprocessing": plain}
    return _Subject(model, task, None, facts)


def _on_path(subject: _Subject, data: str, source: str | None, label: str | None, device: str) -> Scored:
    raw = _read(subject, data, source, label)
    classes, labels = _classes(raw, subject, data), subject.labels or raw.class_names
    runner = Runner(subject.model, device=device)
    chunks = (chunk for read in raw.splits.values() for chunk in read())
    batches = ((_inputs(subject, chunk.x, data), chunk.y if classes is None else classes[chunk.y]) for chunk in chunks)
    return _measured(runner, subject.task, batches, labels, data)


def _inputs(subject: _Subject, x: Array, data: str) -> Array:
    try:
        return bundle_runtime.preprocess(subject.facts, x)
    except ValueError as error:
        raise DataError(f"{data}: {error}") from None


def _measured(
    runner: Runner,
    task: str,
    batches: Iterable[tuple[Array, Array]],
    names: Sequence[str],
    data: str = "The test split",
) -> Scored:
    """Run a flatbuffer over model inputs (n, *shape) with their targets."""
    parts = [(y, judged(task, x, runner.predict(x))) for x, y in batches]
    if not parts:
        raise DataError(f"{data} holds no sample")
    y, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Scored(task, measure(task, y, values, tuple(names)), len(y))


def _read(subject: _Subject, data: str, source: str | None, label: str | None) -> RawData:
    features, shape = subject.facts.get("features", ()), subject.facts["input"]["shape"]
    source, path = recognise(data, source)
    label = label or (_label(Path(path), features) if source == "csv" else None) or "label"
    wanted = {"source": source, "path": path, "label": label, "task": subject.task}
    params = DataParams.model_validate({**wanted, "image_size": image_size(source, shape)})
    return in_order(SOURCES[source](params), features)


def _label(path: Path, features: Sequence[str]) -> str | None:
    others = [name for name in columns_of(path) if name not in set(features)] if features else []
    return others[0] if len(others) == 1 else None


def _classes(raw: RawData, subject: _Subject, data: str) -> Array | None:
    """Return the model's class id of each of the data's, (classes,) int64; None where they are the same."""
    labels = subject.labels
    if labels is None:
        return None
    if subject.task == "multi_label" and raw.class_names != labels:
        raise DataError(f"{data} has the labels {list(raw.class_names)}; the bundle gives {list(labels)}")
    if subject.task != "classification":
        return None
    if unknown := [name for name in raw.class_names if name not in labels]:
        raise DataError(
            f"{data} has the classes {', '.join(unknown[:5])}, which the bundle does not know; it tells "
            f"{', '.join(labels[:20])}"
        )
    return np.array([labels.index(name) for name in raw.class_names], np.int64)
