"""Writes a recorded window as a data set: labelled inputs join the splits that the champion was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array, fsync_directory, save_arrays
from qatflow.data.arrays import FEATURES, NAMES, as_array
from qatflow.data.base import column_order
from qatflow.data.prepared import PreparedData, Split
from qatflow.data.splits import SPLITS
from qatflow.errors import MonitoringError
from qatflow.monitoring.records import Rows

CHUNK = 4096


def window_digest(rows: Rows) -> str:
    """Return the SHA-256 of a window's inputs and labels."""
    assert rows.inputs is not None  # noqa: S101 (`labelled_window` refuses windows without)
    parts = (np.ascontiguousarray(rows.inputs, np.float32), np.ascontiguousarray(rows.labels))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def export_window(
    data: PreparedData, rows: Rows, folder: Path, columns: Sequence[str] = ()
) -> tuple[Path, dict[str, Any]]:
    """Write the data set `window-<digest>.npz` for the source `arrays`; equal windows and data give equal bytes.

    What was in a split stays there, so that no test sample becomes a training sample. The window's samples are divided
    in the ratio of the splits, by a digest of each input: a sample that was sent twice is in one split only.

    Args:
        data: What the champion was trained on.
        rows: Labelled records with their inputs.
        folder: Made if it is not there.
        columns: Names of the records' columns in their order, if they have any.

    Returns:
        The file, and the parameters that make it this project's data.

    Raises:
        MonitoringError: If inputs or labels do not fit the data.
        OSError: If the disk is full; no file is then left.
    """
    x, y = _window(data, rows)
    if columns and data.feature_names:
        x = x[:, column_order(data.feature_names, columns, "the records")]
    homes = _homes(x, [getattr(data, name).count for name in SPLITS])
    arrays: dict[str, Array] = {}
    for number, name in enumerate(SPLITS):
        before = getattr(data, name)
        arrays[f"x_{name}"] = _joined(_raw(before), x[homes == number], data)
        arrays[f"y_{name}"] = np.concatenate([before.labels(), y[homes == number]])
    if data.class_names:
        arrays[NAMES] = as_array(data.class_names)
    if data.feature_names:
        arrays[FEATURES] = as_array(data.feature_names)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"window-{window_digest(rows)[:16]}.npz"
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        save_arrays(temporary, {name: array for name, array in arrays.items() if len(array)})
        temporary.replace(path)
        fsync_directory(folder)
    finally:
        temporary.unlink(missing_ok=True)
    normalize = {"data.normalize": data.card.normalization}
    return path, {"data.source": "arrays", "data.path": str(path), "data.max_samples": None, **normalize}


def _window(data: PreparedData, rows: Rows) -> tuple[Array, Array]:
    """Return inputs (n, *shape) float32 and targets as the splits hold them."""
    assert rows.inputs is not None  # noqa: S101
    if rows.inputs.shape[1:] != data.train.x_shape:
        raise MonitoringError(f"Records hold inputs of {rows.inputs.shape[1:]}; the data have {data.train.x_shape}")
    if data.task == "regression":
        if data.num_outputs != 1:
            raise MonitoringError(f"A record's label is one number; the data have {data.num_outputs} targets")
        return rows.inputs, rows.labels.astype(np.float32)[:, None]
    classes = max(2, len(data.class_names))
    labels = rows.labels.astype(np.int64)
    if not ((labels == rows.labels) & (labels >= 0) & (labels < classes)).all():
        raise MonitoringError(f"Records hold labels that are none of the {classes} classes of the data")
    return rows.inputs, labels


def _homes(x: Array, counts: list[int]) -> Array:
    """Return the split of each sample (n,), by its own bytes."""
    rows = np.ascontiguousarray(x, np.float32)
    places = [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest()) / 2**64 for row in rows]
    return np.asarray(np.searchsorted(np.cumsum(counts)[:-1] / sum(counts), places, side="right"))


def _raw(split: Split) -> Array:
    if not split.count:
        return np.zeros((0, *split.x_shape), np.float32)
    starts = range(0, split.count, CHUNK)
    return np.concatenate([split.raw(np.arange(start, min(start + CHUNK, split.count))) for start in starts])


def _joined(before: Array, after: Array, data: PreparedData) -> Array:
    """Return both; as uint8 where the data's full scale is that of bytes, so that it stays known."""
    both = np.concatenate([before, after])
    if data.card.full_scale == 255.0 and both.ndim == 4 and both.size:
        return np.asarray(np.clip(np.rint(both), 0, 255), np.uint8)
    return both
