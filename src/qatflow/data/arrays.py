"""Source `arrays`: an .npz of NumPy arrays, split already or not."""

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.files import require_file
from qatflow.data.labels import numbered_classes, numeric_targets
from qatflow.data.npz import Member, chunk_rows, open_npz, read_rows
from qatflow.errors import DataError
from qatflow.params import DataParams

KEYS = "x and y; or x_train, y_train, x_test, y_test and optionally x_val, y_val; optionally class_names"
PLAIN = {"x", "y"}
SPLIT = {"x_train", "y_train", "x_test", "y_test"}
NAMES = "class_names"
FULL_SCALE_UINT8 = 255.0


def read_arrays(data: DataParams) -> RawData:
    """Open an .npz; see `KEYS` for the arrays it holds, (n, *shape) samples and (n,) or (n, d) labels.

    uint8 samples have full scale 255. uint8 samples of shape (h, w) are gray images and become (h, w, 1). Classes are
    called by their numbers, unless `class_names` holds a JSON list of names as UTF-8 bytes, (n,) uint8.

    Raises:
        DataError: If the file or one of its arrays cannot be used.
    """
    path = require_file(data.path, f"an .npz file with the arrays {KEYS}")
    members = open_npz(path)
    names = members.pop(NAMES, None)
    pairs = _pairs(str(path), members)
    x = next(iter(pairs.values()))[0]
    return RawData(
        splits={split: partial(_chunks, *pair, data.task) for split, pair in pairs.items()},
        class_names=_class_names(str(path), pairs, names) if data.task == "classification" else (),
        full_scale=FULL_SCALE_UINT8 if x.dtype == np.uint8 else None,
        count=sum(y.shape[0] for _, y in pairs.values()),
        files=(path,),
    )


def _pairs(where: str, members: Mapping[str, Member]) -> dict[str, tuple[Member, Member]]:
    names = set(members)
    if names == PLAIN:
        splits = {"all": ""}
    elif names in (SPLIT, SPLIT | {"x_val", "y_val"}):
        splits = {split: f"_{split}" for split in ("train", "val", "test") if f"x_{split}" in names}
    else:
        raise DataError(f"{where} holds the arrays {', '.join(sorted(names)) or 'none'}; expected {KEYS}")
    pairs = {split: (members[f"x{ending}"], members[f"y{ending}"]) for split, ending in splits.items()}
    for x, y in pairs.values():
        if x.shape[0] != y.shape[0]:
            raise DataError(f"{where}: '{x.name}' has {x.shape[0]} samples, '{y.name}' has {y.shape[0]}")
    return pairs


def _chunks(x: Member, y: Member, task: str) -> Iterator[Chunk]:
    rows = min(chunk_rows(x), chunk_rows(y))
    for samples, labels in zip(read_rows(x, rows), read_rows(y, rows), strict=True):
        yield Chunk(_with_channel(samples), numeric_targets(y.where, labels, task))


def _with_channel(x: Array) -> Array:
    return x[..., np.newaxis] if x.dtype == np.uint8 and x.ndim == 3 else x


def _class_names(where: str, pairs: Mapping[str, tuple[Member, Member]], names: Member | None) -> tuple[str, ...]:
    found: set[int] = set()
    for _, y in pairs.values():
        for labels in read_rows(y, chunk_rows(y)):
            found.update(np.unique(numeric_targets(y.where, labels, "classification")).tolist())
    return numbered_classes(where, found) if names is None else _named(names, found)


def _named(names: Member, found: AbstractSet[int]) -> tuple[str, ...]:
    """Read the names of the classes; one that no sample has is allowed, a sample of none is not."""
    try:
        content = b"".join(part.tobytes() for part in read_rows(names, max(1, names.shape[0])))
        listed = json.loads(content)
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) and name for name in listed):
        raise DataError(f"{names.where} is no JSON list of names as UTF-8 bytes (uint8)")
    if len(set(listed)) != len(listed) or not found <= set(range(len(listed))):
        raise DataError(f"{names.where} names {len(listed)} classes; each needs a name of its own, and labels go below")
    return tuple(listed)
