"""Reads models that Keras 3 or tf_keras saved as `.keras`: a zip of config.json and model.weights.h5."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.config import MAX_CONFIG_BYTES, build_from_config, plain_config
from qatflow.models.hdf5 import MAX_BYTES, follow, read_array
from qatflow.models.weights import assign

Names = tuple[str, ...]
"""Names of the models around a layer and its own; WRAPPED for the model inside a TimeDistributed."""
Named = dict[Names, dict[str, Array]]
WRAPPED = ""
PARTS = (
    *("query_dense", "key_dense", "value_dense", "output_dense"),
    *("forward_layer", "backward_layer", "layer", "cell"),
)
"""Layers inside layers, in the order of the outer one's weights."""


def load_keras_zip(path: Path) -> keras.Model:
    """Load a `.keras` model.

    Raises:
        ModelError: If it holds no model, anything but built-in layers, or weights that do not fit them.
    """
    with zipfile.ZipFile(path) as archive:
        config = plain_config(_member(archive, "config.json", MAX_CONFIG_BYTES))
        content = _member(archive, "model.weights.h5", MAX_BYTES)
    with h5py.File(io.BytesIO(content), "r") as file:
        arrays: Named = dict(_read(file, config["config"], ()))
    model = build_from_config(config, sum(array.size for layer in arrays.values() for array in layer.values()))
    for names, saved in arrays.items():
        layer = model
        for name in names:
            layer = layer.layer if name == WRAPPED else layer.get_layer(name)
        assign(layer.weights, saved, f"layer '{'/'.join(names)}'")
    return model


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if name not in archive.namelist():
        raise ModelError(f"it has no {name}; save it with model.save()")
    if (size := archive.getinfo(name).file_size) > limit:
        raise ModelError(f"its {name} has {size} bytes; at most {limit} are read")
    return archive.read(name)


def _read(group: Any, settings: dict[str, Any], outer: Names) -> Iterator[tuple[Names, dict[str, Array]]]:
    """Yield the arrays of each layer.

    Keras names the groups after the class, numbered in the order of the config: conv2d, conv2d_1, …
    """
    seen: Counter[str] = Counter()
    for layer in filter(lambda layer: not layer.get("is_operator"), settings["layers"]):
        key = _snake_case(layer["class_name"])
        place = f"layers/{key}_{seen[key]}" if seen[key] else f"layers/{key}"
        seen[key] += 1
        names = (*outer, layer["config"]["name"])
        if "layers" in layer["config"]:
            yield from _read(follow(group, place), layer["config"], names)
        elif "layers" in (inner := layer["config"].get("layer", {}).get("config", {})):
            yield from _read(follow(group, f"{place}/layer"), inner, (*names, WRAPPED))
        elif layer["class_name"] != "InputLayer":
            yield names, {str(index): array for index, array in enumerate(_arrays(follow(group, place)))}


def _arrays(group: Any) -> Iterator[Array]:
    """Yield the arrays of one layer and of those inside it."""
    variables = follow(group, "vars")
    yield from (read_array(follow(variables, str(index))) for index in range(len(variables)))
    for part in PARTS:
        for name in (part, f"_{part}"):  # tf_keras hides some
            if name in group:
                yield from _arrays(follow(group, name))


def _snake_case(name: str) -> str:
    """Return the name as Keras writes it: BatchNormalization as batch_normalization, ReLU as re_lu."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
