"""Source `arrays`: an .npz of NumPy arrays, split already or not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from math import prod
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.files import require_file
from qatflow.data.labels import numbered_classes, numeric_targets
from qatflow.data.npz import Member, chunk_rows, npz_names, open_npz, read_rows
from qatflow.data.splits import SPLITS
from qatflow.errors import DataError
from qatflow.params.data import DataParams

KEYS = (
    "x and y; or x_train, y_train, x_test, y_test and optionally x_val, y_val; optionally class_names and feature_names"
)
PLAIN = {"x", "y"}
SPLIT = {"x_train", "y_train", "x_test", "y_test"}
NAMES, FEATURES = "class_names", "feature_names"
FULL_SCALE_UINT8 = 255.0


def read_arrays(data: DataParams) -> RawData:
    """Open an .npz; see `KEYS` for the arrays it holds, (n, *shape) samples and (n,) or (n, d) labels.

    uint8 samples have full scale 255. uint8 samples of shape (h, w) are gray images and become (h, w, 1). Classes are
    called by their numbers, unless `class_names` holds their names: (n,) texts, or a JSON list as UTF-8 bytes, (n,)
    uint8. `feature_names` holds those of the columns of vectors likewise. Further arrays are ignored, and named.

    Raises:
        DataError: If the file or one of its arrays cannot be used.
    """
    path = require_file(data.path, f"an .npz file with the arrays {KEYS}")
    present = npz_names(path)
    endings = _endings(str(path), present)
    wanted = {f"{kind}{ending}" for kind in "xy" for ending in endings.values()} | (present & {NAMES, FEATURES})
    members = open_npz(path, wanted, {NAMES, FEATURES})
    names = members.get(NAMES)
    pairs = _pairs(members, endings)
    x = next(iter(pairs.values()))[0]
    return RawData(
        splits={split: partial(_chunks, *pair, data.task) for split, pair in pairs.items()},
        class_names=_class_names(str(path), pairs, names, data.task),
        full_scale=FULL_SCALE_UINT8 if x.dtype == np.uint8 else None,
        count=sum(y.shape[0] for _, y in pairs.values()),
        files=(path,),
        feature_names=_feature_names(members.get(FEATURES), x),
        ignored=tuple(sorted(present - wanted)),
    )


def as_array(names: Sequence[str]) -> Array:
    """Return names as `class_names` and `feature_names` hold them: JSON as UTF-8 bytes, (n,) uint8."""
    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def _endings(where: str, present: AbstractSet[str]) -> dict[str, str]:
    """Return for each split what its arrays' names end in."""
    is_plain, is_split = present >= PLAIN, present >= SPLIT
    if is_plain == is_split or len(present & {"x_val", "y_val"}) == 1:
        raise DataError(f"{where} holds the arrays {', '.join(sorted(present)) or 'none'}; expected {KEYS}")
    return {"all": ""} if is_plain else {split: f"_{split}" for split in SPLITS if f"x_{split}" in present}


def _pairs(members: Mapping[str, Member], endings: Mapping[str, str]) -> dict[str, tuple[Member, Member]]:
    pairs = {split: (members[f"x{ending}"], members[f"y{ending}"]) for split, ending in endings.items()}
    for x, y in pairs.values():
        if x.shape[0] != y.shape[0]:
            raise DataError(f"{x.path}: '{x.name}' has {x.shape[0]} samples, '{y.name}' has {y.shape[0]}")
    return pairs


def _chunks(x: Member, y: Member, task: str) -> Iterator[Chunk]:
    rows = min(chunk_rows(x), chunk_rows(y))
    for samples, labels in zip(read_rows(x, rows), read_rows(y, rows), strict=True):
        yield Chunk(_with_channel(samples), numeric_targets(y.where, labels, task))


def _with_channel(x: Array) -> Array:
    return x[..., np.newaxis] if x.dtype == np.uint8 and x.ndim == 3 else x


def _class_names(
    where: str, pairs: Mapping[str, tuple[Member, Member]], names: Member | None, task: str
) -> tuple[str, ...]:
    if task == "multi_label":
        found = set(range(max(prod(y.shape[1:]) for _, y in pairs.values())))
        return numbered_classes(where, found) if names is None else _named(names, found)
    if task != "classification":
        return ()
    found = set()
    for _, y in pairs.values():
        for labels in read_rows(y, chunk_rows(y)):
            found.update(np.unique(numeric_targets(y.where, labels, "classification")).tolist())
    return numbered_classes(where, found) if names is None else _named(names, found)


def _named(names: Member, found: AbstractSet[int]) -> tuple[str, ...]:
    """Read the names of the classes; one that no sample has is allowed, a sample of none is not."""
    listed = texts(names)
    if len(set(listed)) != len(listed) or not found <= set(range(len(listed))):
        raise DataError(f"{names.where} names {len(listed)} classes; each needs a name of its own, and labels go below")
    return tuple(listed)


def _feature_names(names: Member | None, x: Member) -> tuple[str, ...]:
    """Read the names of the columns of vectors (n, columns)."""
    if names is None:
        return ()
    listed = texts(names)
    if len(set(listed)) != len(listed) or x.shape[1:] != (len(listed),):
        raise DataError(
            f"{names.where} holds {len(listed)} names, '{x.name}' is {list(x.shape)}; expected (n, columns) and a name "
            "of its own for each column"
        )
    return tuple(listed)


def texts(names: Member) -> list[str]:
    """Read texts (n,), or a JSON list of them as UTF-8 bytes (n,) uint8.

    Raises:
        DataError: If there are none, or one is empty.
    """
    parts = list(read_rows(names, max(1, names.shape[0])))
    listed: Any = [str(name) for part in parts for name in part.ravel()]
    if names.dtype.kind != "U":
        try:
            listed = json.loads(b"".join(part.tobytes() for part in parts))
        except ValueError:
            listed = None
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) and name for name in listed):
        raise DataError(f"{names.where} holds no names: expected texts, or a JSON list of them as UTF-8 bytes (uint8)")
    return listed
