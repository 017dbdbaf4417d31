"""What a bundle tells monitoring: the frozen reference of the data that its model was trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData, Split
from qatflow.monitoring.reference import MAX_SAMPLES, Reference, build_reference
from qatflow.monitoring.saturation import held_values
from qatflow.release import bundle_runtime
from qatflow.release.manifest import BundleManifest
from qatflow.tflite.runtime import Runner

CHUNK, MAX_ANSWERS = 256, 2000


def reference_of(manifest: BundleManifest, model_sha256: str, data: PreparedData, runner: Runner) -> Reference | None:
    """Describe up to 10,000 training samples, and the answers of the flatbuffer to up to 2,000 validation samples.

    Returns:
        The reference; None if the data have no such samples, as those of a model that was only measured.

    Raises:
        ConversionError: If the flatbuffer does not run.
    """
    if not data.train.count or not data.val.count or data.train.x_shape != manifest.input.shape:
        return None
    tensor, units = manifest.input, manifest.preprocessing
    about = {"model_sha256": model_sha256, "task": manifest.task, "classes": manifest.labels}
    held = held_values(tensor.dtype, tensor.scale, tensor.zero_point, (units.scale, units.offset))
    inputs = (data.train.raw(rows) for rows in _chunks(data.train, MAX_SAMPLES))
    answers = [_answer(manifest, data.val.take(rows)[0], runner) for rows in _chunks(data.val, MAX_ANSWERS)]
    scores = np.concatenate(answers)
    return build_reference(about, inputs, scores, data.val.labels()[: len(scores)], held, manifest.features)


def _chunks(split: Split, limit: int) -> Iterator[Array]:
    count = min(split.count, limit)
    for start in range(0, count, CHUNK):
        yield np.arange(start, min(start + CHUNK, count))


def _answer(manifest: BundleManifest, inputs: Array, runner: Runner) -> Array:
    """Return scores (n, k) float32."""
    scores = bundle_runtime.decode(manifest.model_dump(), inputs, runner.predict(inputs))["scores"]
    return scores.reshape(len(scores), -1)
