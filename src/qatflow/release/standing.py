"""Measures the present champion on the data of this release, so that challengers meet it on equal terms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.evaluation.metrics import correct, counts_samples, judged, measure, score_of
from qatflow.release.base import Champion
from qatflow.release.bundle import Bundle, load_bundle
from qatflow.release.bundle_runtime import column_order
from qatflow.release.candidates import Inputs
from qatflow.release.ports import Registry, Version
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 1024


def measure_champion(registry: Registry, number: int, inputs: Inputs, into: Path) -> Champion:
    """Return the champion with its score and right answers on the test split.

    Args:
        registry: Where it is registered.
        number: Its version.
        inputs: The candidates, of which it may be one, and the data.
        into: A new folder for its bundle.

    Raises:
        ArtifactError: If its files are not those that were registered.
        PromotionError: If its version or files are gone.
        ConversionError: If it does not run.
    """
    version = registry.version(number)
    bundle = load_bundle(registry.download(number, into))
    for candidate in inputs.candidates.values():
        if candidate.sha256 == version.sha256:
            return _champion(version, bundle, candidate.score, candidate.correct)
    if not _is_comparable(bundle, inputs.data):
        return _champion(version, bundle, None, None)
    y, values = judge(bundle, inputs.data)
    score = score_of(inputs.data.task, measure(inputs.data.task, y, values, inputs.data.class_names))
    right = correct(inputs.data.task, y, values) if counts_samples(inputs.data.task) else None
    return _champion(version, bundle, score, right)


def _champion(version: Version, bundle: Bundle, score: float | None, right: Array | None) -> Champion:
    return Champion(
        version=version.number,
        variant=version.variant,
        sha256=version.sha256,
        score=score,
        correct=right,
        size_bytes=len(bundle.model),
        latency_us=version.latency_us,
    )


def _is_comparable(bundle: Bundle, data: PreparedData) -> bool:
    """Only a model for the same task, inputs and classes can be compared; columns may have another order."""
    manifest, named = bundle.manifest, bool(bundle.manifest.features and data.feature_names)
    if named and set(manifest.features) != set(data.feature_names):
        return False
    made_for = (manifest.task, manifest.input.shape, manifest.labels)
    same = made_for == (data.task, tuple(data.input_shape), tuple(data.class_names))
    return same and data.suits(manifest.output.size)


def judge(bundle: Bundle, data: PreparedData) -> tuple[Array, Array]:
    """Return labels (n, …) and what the task is judged by (n, …) of the champion on the test split."""
    runner = Runner(bundle.model)
    labels, values = [], []
    for x, y in data.test.batches(BATCH_SIZE):
        inputs = _as_trained(x, bundle, data)
        labels.append(y)
        values.append(judged(data.task, inputs, runner.predict(inputs)))
    return np.concatenate(labels), np.concatenate(values)


def _as_trained(x: Array, bundle: Bundle, data: PreparedData) -> Array:
    """Turn model inputs of these data into those of the champion, which may have been normalized otherwise."""
    now, then, names = data.preprocessing, bundle.manifest.preprocessing, bundle.manifest.features
    moved = bool(names and data.feature_names and names != data.feature_names)
    if (now.scale, now.offset) == (then.scale, then.offset) and not moved:
        return x
    raw = (x.astype(np.float64) - np.array(now.offset)) / np.array(now.scale)
    if moved:
        raw = raw[:, column_order(names, data.feature_names)]
    return np.asarray(raw * np.array(then.scale) + np.array(then.offset), np.float32)
