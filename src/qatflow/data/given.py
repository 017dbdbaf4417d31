"""Data that a caller holds in memory, written as the .npz that the source `arrays` reads: one reader checks all."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array, save_arrays
from qatflow.data.arrays import FEATURES, NAMES, as_array
from qatflow.errors import DataError

MEMBERS: Mapping[int, Sequence[str]] = {1: ("x",), 2: ("x", "y"), 4: ("x_train", "y_train", "x_test", "y_test")}
Form = Callable[[str, Array], Array]
"""From an array's name and values to what is written."""


def as_they_are(_: str, array: Array) -> Array:
    """Change nothing."""
    return array


def save_given(data: Any, folder: Path, form: Form = as_they_are, *, texts: bool = False) -> Path:
    """Write arrays into `folder` and return the file. Names of columns and classes go with them.

    Args:
        data: x; (x, y); or (x_train, y_train, x_test, y_test): arrays, lists or data frames.
        folder: There already.
        form: Changes an array on its way.
        texts: Whether labels may be names of classes. Who does not know a model's names cannot tell their order.

    Raises:
        DataError: If these are other arrays, or samples of different shapes.
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    if len(parts) not in MEMBERS:
        raise DataError(f"Data are {len(parts)} arrays; expected x, (x, y) or (x_train, y_train, x_test, y_test)")
    named = {name: part for name, part in zip(MEMBERS[len(parts)], parts, strict=True) if part is not None}
    columns = _columns(named)
    arrays = {
        name: _array(name, part[list(columns)] if columns and hasattr(part, "columns") and name[0] == "x" else part)
        for name, part in named.items()
    }
    names = {FEATURES: as_array(columns)} if columns else {}
    arrays = _numbered(arrays) if texts else arrays
    path = folder / "data.npz"
    save_arrays(path, {name: form(name, array) for name, array in arrays.items()} | names)
    return path


def _array(name: str, part: Any) -> Array:
    try:
        return np.asarray(part)
    except ValueError:
        raise DataError(
            f"'{name}' is a {type(part).__name__} of arrays of different shapes; samples are one array (n, ...) for "
            "the model's one input: join several to one"
        ) from None


def _numbered(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the same with labels that are texts as class ids, (n,) int64, and the names of the classes."""
    labels = {name: array for name, array in arrays.items() if name[0] == "y" and _are_texts(array)}
    if not labels:
        return dict(arrays)
    classes = np.unique(np.concatenate([array.astype(str) for array in labels.values()]))
    ids = {name: np.searchsorted(classes, array.astype(str)) for name, array in labels.items()}
    return {**arrays, **ids, NAMES: as_array(classes.tolist())}


def _are_texts(array: Array) -> bool:
    return array.ndim == 1 and all(isinstance(value, str) for value in array.tolist()) and array.size > 0


def _columns(parts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns of data frames, in the order of the first; empty where they have none."""
    frames = {name: tuple(part.columns) for name, part in parts.items() if name[0] == "x" and hasattr(part, "columns")}
    first = next(iter(frames.values()), ())
    if not all(isinstance(column, str) for column in first):
        return ()
    for name, columns in frames.items():
        if set(columns) != set(first) or len(set(columns)) != len(columns):
            raise DataError(f"{name} has the columns {list(columns)}; expected each once of {list(first)}")
    return first
