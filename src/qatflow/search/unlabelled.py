"""Data without usable labels, for autoencoders: their samples under a label that nothing looks at."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array, save_arrays
from qatflow.data import SOURCES
from qatflow.data.arrays import FEATURES, as_array, texts
from qatflow.data.csv_table import columns_of
from qatflow.data.npz import chunk_rows, open_npz, read_rows
from qatflow.data.prepared import PreparedData
from qatflow.data.splits import SPLITS
from qatflow.errors import DataError
from qatflow.params.data import DataParams

Samples = dict[str, Array]
"""Split (`all`, or train, test and optionally val) -> samples (n, *shape)."""


def without_labels(data: DataParams, folder: Path) -> DataParams:
    """Copy the samples into `folder` as an .npz for `as_anomaly`, and return what reads it.

    Raises:
        DataError: If the samples cannot be read.
    """
    samples = _from_arrays(Path(data.path)) if data.source == "arrays" else _from_source(data)
    arrays: dict[str, Any] = {}
    for split, x in samples.items():
        ending = "" if split == "all" else f"_{split}"
        arrays |= {f"x{ending}": x, f"y{ending}": np.zeros((len(x), 1), np.float32)}
    path = folder / "unlabelled.npz"
    names = _columns(data)
    save_arrays(path, arrays | ({FEATURES: as_array(names)} if names else {}))
    return data.model_copy(update={"source": "arrays", "path": str(path), "task": "regression"})


def as_anomaly(data: PreparedData, source: str) -> PreparedData:
    """Return data that were prepared by `without_labels` as data of an autoencoder: all samples normal."""
    card = data.card.model_copy(update={"task": "anomaly", "source": source})
    return replace(data, task="anomaly", num_outputs=int(np.prod(data.input_shape)), card=card)


def _columns(data: DataParams) -> tuple[str, ...]:
    """Return the names of a table's columns that are samples; empty where there are none."""
    if data.source == "csv":
        return tuple(name for name in columns_of(Path(data.path)) if name != data.label)
    if data.source == "arrays" and FEATURES in (members := open_npz(Path(data.path), {FEATURES}, {FEATURES})):
        return tuple(texts(members[FEATURES]))
    return ()


def _from_arrays(path: Path) -> Samples:
    members = open_npz(path, {"x", *(f"x_{split}" for split in SPLITS)})
    names = {split: f"x_{split}" for split in SPLITS if f"x_{split}" in members}
    names = names if {"train", "test"} <= names.keys() else {"all": "x_train" if "x_train" in members else "x"}
    if any(name not in members for name in names.values()):
        raise DataError(f"{path} has no array x, nor x_train and x_test")
    return {
        split: np.concatenate(list(read_rows(members[name], chunk_rows(members[name]))))
        for split, name in names.items()
    }


def _from_source(data: DataParams) -> Samples:
    if data.source == "csv" and (x := _plain_table(data)) is not None:
        return {"all": x}
    raw = SOURCES[data.source](data.model_copy(update={"task": "classification"}))
    return {split: np.concatenate([chunk.x for chunk in read()]) for split, read in raw.splits.items()}


def _plain_table(data: DataParams) -> Array | None:
    """Return all columns of a table that has no label column."""
    path = Path(data.path)
    with path.open(encoding="utf-8-sig") as file:
        header = [name.strip() for name in file.readline().split(",")]
    if data.label in header:
        return None
    try:
        return np.loadtxt(path, np.float32, delimiter=",", skiprows=1, ndmin=2, encoding="utf-8-sig")
    except ValueError as error:
        raise DataError(f"{path} cannot be read as numbers: {error}") from None
