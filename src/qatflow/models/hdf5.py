"""Reads models that Keras saved as HDF5 (`.h5`): the config in an attribute, a group of arrays for each layer."""

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import h5py

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.config import build_from_config, plain_config
from qatflow.models.weights import BFLOAT16, assign

MAX_BYTES = 2 << 30
"""Of a file, and of all arrays in it together."""
MAX_RATIO, SMALL_BYTES = 100, 1 << 20
"""Weights do not pack to less than a hundredth, but for small arrays; zeros that want to fill a memory do."""


def load_hdf5(path: Path, notes: list[str] | None = None) -> keras.Model:
    """Load a `.h5` model; `notes` as in `plain_config`.

    Raises:
        ModelError: If it holds no model, anything but built-in layers, or weights that do not fit them.
    """
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ModelError("it holds weights without a model; save it with model.save()")
        config = plain_config(text, notes)
        weights = follow(file, "model_weights")
        stored = {name: _layer_arrays(weights, name) for name in _names(weights, "layer")}
        model = build_from_config(config, elements(array for layer in stored.values() for array in layer.values()))
        for layer in model.layers:
            variables = layer.trainable_weights + layer.non_trainable_weights
            saved = stored.get(layer.name, {})
            assign(variables, {name: array[()] for name, array in saved.items()}, f"layer '{layer.name}'")
            if isinstance(layer, keras.Model) and [_tail(v.name) for v in variables] != [_tail(name) for name in saved]:
                raise ModelError(f"layer '{layer.name}' is a model whose weights are stored in another order")
    return model


def follow(group: Any, path: str) -> Any:
    """Return what lies at `path` in a group. All that is read of a file comes through here.

    Raises:
        ModelError: If it is missing, or a link out of its place, which might lead to another file, or has several
            places, from which it would be read as often.
    """
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ModelError(f"{path} is missing")
        group = group[part]
        if h5py.h5o.get_info(group.id).rc != 1:
            raise ModelError(f"{path} has several names in the file")
    return group


def follow_array(group: Any, path: str) -> h5py.Dataset:
    """Return the array at `path`, unread: numbers that the file itself holds, all of them.

    Raises:
        ModelError: If it is something else: data of another file, what stands for values that were never written, or
            what unpacks to more than weights do.
    """
    array = follow(group, path)
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
        raise ModelError(f"{array.name} is no array of this file")
    if (array.dtype.kind not in "fiu" and array.dtype != BFLOAT16) or array.shape is None:
        raise ModelError(f"{array.name} is {array.dtype}, no array of numbers")
    if not _is_written(array):
        raise ModelError(f"{array.name} has {array.nbytes} bytes, of which the file does not hold all")
    check_ratio(array.name, array.id.get_storage_size(), array.nbytes)
    return array


def check_ratio(name: str, packed: int, unpacked: int) -> None:
    """Check that what is compressed does not unpack to more than weights do.

    Raises:
        ModelError: If it does.
    """
    if unpacked > max(SMALL_BYTES, MAX_RATIO * packed):
        raise ModelError(f"{name} unpacks from {packed} to {unpacked} bytes, as no weights do")


def elements(arrays: Iterable[h5py.Dataset]) -> int:
    """Return how many numbers arrays hold together, without reading them.

    Raises:
        ModelError: If they are too many, or more than the file has room for.
    """
    found = list(arrays)
    if (size := sum(array.nbytes for array in found)) > MAX_BYTES:
        raise ModelError(f"its arrays have {size} bytes together; at most {MAX_BYTES} are read")
    if found and sum(array.id.get_storage_size() for array in found) > found[0].file.id.get_filesize():
        raise ModelError("its arrays lie over each other")
    return sum(array.size for array in found)


def _is_written(array: h5py.Dataset) -> bool:
    """Tell whether the file holds each value; HDF5 makes up what was never written."""
    if array.chunks is None or not array.size:
        return bool(array.id.get_storage_size() >= array.nbytes)
    chunks = prod(-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True))
    return bool(array.id.get_num_chunks() == chunks)


def _layer_arrays(weights: Any, layer: str) -> dict[str, h5py.Dataset]:
    group = follow(weights, layer)
    return {name: follow_array(group, name) for name in _names(group, "weight")}


def _names(group: Any, kind: str) -> Iterator[str]:
    """Yield what attribute `layer_names` or `weight_names` says; Keras splits long ones into numbered attributes."""
    seen: set[str] = set()
    keys = [f"{kind}_names"] if f"{kind}_names" in group.attrs else _numbered(group, f"{kind}_names")
    for key in keys:
        for name in (name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[key]):
            if name in seen:
                raise ModelError(f"{kind} {name} is named twice")
            seen.add(name)
            yield name


def _numbered(group: Any, prefix: str) -> list[str]:
    return sorted((key for key in group.attrs if key.startswith(prefix)), key=lambda key: int(key.removeprefix(prefix)))


def _tail(name: str) -> str:
    """Return `layer/kernel` of `model/layer/kernel:0`."""
    return "/".join(name.partition(":")[0].split("/")[-2:])
