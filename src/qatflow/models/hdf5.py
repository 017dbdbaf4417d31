"""Reads models that Keras saved as HDF5 (`.h5`): the config in an attribute, a group of arrays for each layer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.config import build_from_config, plain_config
from qatflow.models.weights import assign

MAX_BYTES = 2 << 30


def load_hdf5(path: Path) -> keras.Model:
    """Load a `.h5` model.

    Raises:
        ModelError: If it holds no model, anything but built-in layers, or weights that do not fit them.
    """
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ModelError("it holds weights without a model; save it with model.save()")
        config = plain_config(text)
        arrays = {name: _layer_arrays(file["model_weights"], name) for name in _names(file["model_weights"], "layer")}
    model = build_from_config(config, sum(array.size for layer in arrays.values() for array in layer.values()))
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        saved = arrays.get(layer.name, {})
        assign(variables, saved, f"layer '{layer.name}'")
        if isinstance(layer, keras.Model) and [_tail(v.name) for v in variables] != [_tail(name) for name in saved]:
            raise ModelError(f"layer '{layer.name}' is a model whose weights are stored in another order")
    return model


def read_array(dataset: Any) -> Array:
    """Read a dataset that lies in the file itself and is of sensible size.

    Raises:
        ModelError: If it is something else.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise ModelError(f"{dataset.name} is no array of this file")
    if dataset.nbytes > MAX_BYTES:
        raise ModelError(f"{dataset.name} has {dataset.nbytes} bytes; at most {MAX_BYTES} are read")
    return dataset[()]  # type: ignore[no-any-return]


def follow(group: Any, path: str) -> Any:
    """Return what lies at `path` in a group.

    Raises:
        ModelError: If it is missing or a link out of its place, which might lead to another file.
    """
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ModelError(f"{path} is missing")
        group = group[part]
    return group


def _layer_arrays(weights: Any, layer: str) -> dict[str, Array]:
    group = follow(weights, layer)
    return {name: read_array(follow(group, name)) for name in _names(group, "weight")}


def _names(group: Any, kind: str) -> Iterator[str]:
    """Yield the attribute `layer_names` or `weight_names`; Keras splits long ones into numbered attributes."""
    keys = [f"{kind}_names"] if f"{kind}_names" in group.attrs else _numbered(group, f"{kind}_names")
    for key in keys:
        yield from (name.decode() if isinstance(name, bytes) else str(name) for name in group.attrs[key])


def _numbered(group: Any, prefix: str) -> list[str]:
    return sorted((key for key in group.attrs if key.startswith(prefix)), key=lambda key: int(key.removeprefix(prefix)))


def _tail(name: str) -> str:
    """Return `layer/kernel` of `model/layer/kernel:0`."""
    return "/".join(name.partition(":")[0].split("/")[-2:])
