"""The data card: what a reader wants to know of the data, and what later stages need to use them."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from qatflow.artifacts import Array, digest, sha256_file
from qatflow.data.base import RawData
from qatflow.data.duplicates import Duplicates
from qatflow.data.index import Index
from qatflow.data.moments import Moments
from qatflow.data.preprocessing import Preprocessing, make_preprocessing
from qatflow.data.splits import SPLITS
from qatflow.results import Part, Result

ANOMALY_NAMES = ("normal", "anomaly")
CLASSES = ("classification", "multi_label")
Fraction = Annotated[float, Field(allow_inf_nan=False)]


class ValueRange(Part):
    """Of all values of all features of the raw training split."""

    min: float
    max: float
    mean: float
    std: float


class Pictures(Part):
    """What was done to image files: photos turned upright, transparent parts laid on `background`; files by mode."""

    turned: int
    transparent: int
    background: str
    modes: dict[str, int]


class DataFile(Part):
    """A file that was read; its path as the user wrote it."""

    path: str
    sha256: str
    size_bytes: int


class SplitRule(Part):
    """What decided, besides its content, on which side a sample fell; see `splits.carve`."""

    seed: int
    val_fraction: Fraction
    test_fraction: Fraction


class DataCard(Result):
    """What data_card.json holds.

    Attributes:
        samples: Split -> count.
        class_names: By class id; empty for other tasks. `feature_names` likewise of the columns of vectors.
        ignored: Arrays of the file that are not used.
        class_counts: Split -> class -> samples; empty without classes.
        split: None where the source has splits of its own.
        full_scale: The highest value that can occur, where the source knows it.
        files: What was read, at most `files.MAX_LISTED`; of more `files_total`, and `files_sha256` over all.
        sha256: Over the names and contents of all shards.
    """

    FILE: ClassVar[str] = "data_card.json"

    source: str
    task: str
    samples: dict[str, int]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    pictures: Pictures | None = None
    class_counts: dict[str, dict[str, int]]
    x_shape: tuple[int, ...]
    x_dtype: str
    y_shape: tuple[int, ...]
    duplicates: Duplicates
    split: SplitRule | None = None
    full_scale: float | None
    value_range: ValueRange
    constant_features: int | None = None
    normalization: str
    preprocessing: Preprocessing
    files: tuple[DataFile, ...]
    files_total: int | None = None
    files_sha256: str | None = None
    sha256: str


def describe_samples(raw: RawData, index: Index, splits: Array, duplicates: Duplicates) -> dict[str, Any]:
    """Return the card's entries on samples, classes, shapes and duplicates."""
    names = ANOMALY_NAMES if index.task == "anomaly" else raw.class_names if index.task in CLASSES else ()
    return {
        "samples": {name: int((splits == split).sum()) for split, name in enumerate(SPLITS)},
        "class_names": list(raw.class_names),
        "feature_names": list(raw.feature_names),
        **({"ignored": list(raw.ignored)} if raw.ignored else {}),
        **({"pictures": dict(raw.pictures())} if raw.pictures else {}),
        "class_counts": _class_counts(splits, index.y, names) if names else {},
        "x_shape": list(index.x_shape),
        "x_dtype": index.x_dtype.name,
        "y_shape": list(index.y.shape[1:]),
        "duplicates": duplicates,
    }


def describe_values(train: Moments, normalization: str, full_scale: float | None) -> dict[str, Any]:
    """Return the card's entries on values, all measured on the raw training split."""
    return {
        "full_scale": full_scale,
        "value_range": train.overall(),
        "constant_features": int((train.minimum == train.maximum).sum()),
        "normalization": normalization,
        "preprocessing": make_preprocessing(normalization, full_scale, train),
    }


def digest_shards(directory: Path) -> str:
    """Return one SHA-256 over the names and contents of all shards."""
    shards = sorted(directory.glob("*/*.npy"))
    return digest({path.relative_to(directory).as_posix(): sha256_file(path) for path in shards})


def card_notes(card: DataCard, path: str) -> list[str]:
    """Return sentences on what of the data in `path` is not used, or not as it is stored."""
    notes = [f"not used of {path}: {', '.join(card.ignored)}"] if card.ignored else []
    pictures = card.pictures
    if pictures and pictures.turned:
        notes.append(f"{pictures.turned} photos were turned upright, as their EXIF says (data.exif: keep leaves them)")
    if pictures and pictures.transparent:
        notes.append(f"{pictures.transparent} images have transparent parts, now {pictures.background}")
    return notes


def _class_counts(splits: Array, y: Array, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Count each class, or of labels (n, k) how many samples have each."""
    ids = y if y.ndim == 1 else np.argwhere(y)[:, 1]
    of_ids = splits if y.ndim == 1 else splits[np.argwhere(y)[:, 0]]
    table = {name: np.bincount(ids[of_ids == split], minlength=len(names)) for split, name in enumerate(SPLITS)}
    return {split: dict(zip(names, counts.tolist(), strict=True)) for split, counts in table.items()}
