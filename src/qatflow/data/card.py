"""The data card: what a reader wants to know of the data, and what later stages need to use them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array, digest, sha256_file
from qatflow.data.base import RawData
from qatflow.data.duplicates import Duplicates
from qatflow.data.index import Index
from qatflow.data.moments import Moments
from qatflow.data.preprocessing import make_preprocessing
from qatflow.data.splits import SPLITS

CARD = "data_card.json"
ANOMALY_NAMES = ("normal", "anomaly")
CLASSES = ("classification", "multi_label")


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
        "duplicates": asdict(duplicates),
    }


def describe_values(train: Moments, normalization: str, full_scale: float | None) -> dict[str, Any]:
    """Return the card's entries on values, all measured on the raw training split."""
    return {
        "full_scale": full_scale,
        "value_range": train.overall(),
        "constant_features": int((train.minimum == train.maximum).sum()),
        "normalization": normalization,
        "preprocessing": make_preprocessing(normalization, full_scale, train).to_dict(),
    }


def digest_shards(directory: Path) -> str:
    """Return one SHA-256 over the names and contents of all shards."""
    shards = sorted(directory.glob("*/*.npy"))
    return digest({path.relative_to(directory).as_posix(): sha256_file(path) for path in shards})


def card_notes(card: Mapping[str, Any], path: str) -> list[str]:
    """Return sentences on what of the data in `path` is not used, or not as it is stored."""
    notes = [f"not used of {path}: {', '.join(card['ignored'])}"] if card.get("ignored") else []
    pictures = card.get("pictures", {"turned": 0, "transparent": 0})
    if pictures["turned"]:
        notes.append(
            f"{pictures['turned']} photos were turned upright, as their EXIF says (data.exif: keep leaves them)"
        )
    if pictures["transparent"]:
        notes.append(f"{pictures['transparent']} images have transparent parts, now {pictures['background']}")
    return notes


def _class_counts(splits: Array, y: Array, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Count each class, or of labels (n, k) how many samples have each."""
    ids = y if y.ndim == 1 else np.argwhere(y)[:, 1]
    of_ids = splits if y.ndim == 1 else splits[np.argwhere(y)[:, 0]]
    table = {name: np.bincount(ids[of_ids == split], minlength=len(names)) for split, name in enumerate(SPLITS)}
    return {split: dict(zip(names, counts.tolist(), strict=True)) for split, counts in table.items()}
