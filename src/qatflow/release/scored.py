"""Measures a bundle on all samples of a file or folder, in their own units: what `qatflow evaluate --data` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data import SOURCES
from qatflow.data.base import RawData, in_order
from qatflow.data.csv_table import columns_of
from qatflow.errors import DataError
from qatflow.evaluation.metrics import judged, measure
from qatflow.params.data import DataParams
from qatflow.release import bundle_runtime
from qatflow.release.bundle import Bundle
from qatflow.release.manifest import BundleManifest
from qatflow.release.own_data import image_size
from qatflow.search.recognise import recognise
from qatflow.tflite.runtime import Runner


@dataclass(frozen=True)
class Scored:
    """Figures of a bundle on data of the user's.

    Attributes:
        metrics: Of the task, see `evaluation.metrics.measure`.
        samples: How many were measured: all there are.
    """

    metrics: dict[str, Any]
    samples: int


def score_data(bundle: Bundle, data: str, source: str | None, label: str | None, device: str = "cpu") -> Scored:
    """Run a bundle over all samples. Columns are found by their names, classes by theirs; a class may be absent.

    Args:
        bundle: What is measured.
        data: Path of the data, or `digits`; see `search.recognise`.
        source: Kind of data, where it is not told from `data`.
        label: Column to predict of a table; None for the only one that the bundle does not take.
        device: cpu or gpu.

    Raises:
        DataError: If the data cannot be used, or are of other columns, shapes or classes.
    """
    manifest = bundle.manifest
    raw = _opened(manifest, data, source, label)
    classes = _classes(raw, manifest, data)
    facts, runner = manifest.model_dump(), Runner(bundle.model, device=device)
    labels, values = [], []
    for read in raw.splits.values():
        for chunk in read():
            try:
                x = bundle_runtime.preprocess(facts, chunk.x)
            except ValueError as error:
                raise DataError(f"{data}: {error}") from None
            labels.append(chunk.y if classes is None else classes[chunk.y])
            values.append(judged(manifest.task, x, runner.predict(x)))
    if not labels:
        raise DataError(f"{data} holds no sample")
    y = np.concatenate(labels)
    return Scored(measure(manifest.task, y, np.concatenate(values), manifest.labels), len(y))


def _opened(manifest: BundleManifest, data: str, source: str | None, label: str | None) -> RawData:
    source, path = recognise(data, source)
    label = label or (_label(Path(path), manifest.features) if source == "csv" else None) or "label"
    wanted = {"source": source, "path": path, "label": label, "task": manifest.task}
    params = DataParams.model_validate({**wanted, "image_size": image_size(source, manifest.input.shape)})
    return in_order(SOURCES[source](params), manifest.features)


def _label(path: Path, features: Sequence[str]) -> str | None:
    others = [name for name in columns_of(path) if name not in set(features)] if features else []
    return others[0] if len(others) == 1 else None


def _classes(raw: RawData, manifest: BundleManifest, data: str) -> Array | None:
    """Return the model's class id of each of the data's, (classes,) int64; None where there are no classes."""
    if manifest.task == "multi_label" and raw.class_names != manifest.labels:
        raise DataError(f"{data} has the labels {list(raw.class_names)}; the bundle gives {list(manifest.labels)}")
    if manifest.task != "classification":
        return None
    if unknown := [name for name in raw.class_names if name not in manifest.labels]:
        raise DataError(
            f"{data} has the classes {', '.join(unknown[:5])}, which the bundle does not know; it tells "
            f"{', '.join(manifest.labels[:20])}"
        )
    return np.array([manifest.labels.index(name) for name in raw.class_names], np.int64)
