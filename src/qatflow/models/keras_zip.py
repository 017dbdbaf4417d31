"""Reads models that Keras 3 or tf_keras saved as `.keras`: a zip of config.json and model.weights.h5."""

import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import h5py

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.config import MAX_CONFIG_BYTES, build_from_config, plain_config
from qatflow.models.hdf5 import MAX_BYTES, check_ratio, elements, follow, follow_array
from qatflow.models.weights import assign

Names = tuple[str, ...]
"""Names of the models around a layer and its own; WRAPPED for the model inside a TimeDistributed."""
Named = dict[Names, list[h5py.Dataset]]
WRAPPED = ""
CHUNK_BYTES = 1 << 20
PARTS = (
    *("query_dense", "key_dense", "value_dense", "output_dense"),
    *("forward_layer", "backward_layer", "layer", "cell"),
)
"""Layers inside layers, in the order of the outer one's weights."""


def load_keras_zip(path: Path, notes: list[str] | None = None) -> keras.Model:
    """Load a `.keras` model; `notes` as in `plain_config`.

    Raises:
        ModelError: If it holds no model, anything but built-in layers, or weights that do not fit them.
    """
    with zipfile.ZipFile(path) as archive, TemporaryFile() as unpacked:
        with _member(archive, "config.json", MAX_CONFIG_BYTES) as member:
            config = plain_config(member.read(), notes)
        with _member(archive, "model.weights.h5", MAX_BYTES) as member:
            shutil.copyfileobj(member, unpacked, CHUNK_BYTES)
        with h5py.File(unpacked, "r") as file:
            stored: Named = dict(_read(file, config["config"], ()))
            model = build_from_config(config, elements(array for layer in stored.values() for array in layer))
            for names, arrays in stored.items():
                _fill(model, names, arrays)
    return model


def _fill(model: keras.Model, names: Names, arrays: Sequence[h5py.Dataset]) -> None:
    layer = model
    for name in names:
        layer = layer.layer if name == WRAPPED else layer.get_layer(name)
    assign(layer.weights, {str(index): array[()] for index, array in enumerate(arrays)}, f"layer '{'/'.join(names)}'")


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> IO[bytes]:
    if name not in archive.namelist():
        raise ModelError(f"it has no {name}; save it with model.save()")
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise ModelError(f"its {name} has {info.file_size} bytes; at most {limit} are read")
    check_ratio(name, info.compress_size, info.file_size)
    return archive.open(info)


def _read(group: Any, settings: dict[str, Any], outer: Names) -> Iterator[tuple[Names, list[h5py.Dataset]]]:
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
            yield names, list(_arrays(follow(group, place)))


def _arrays(group: Any) -> Iterator[h5py.Dataset]:
    """Yield the arrays of one layer and of those inside it."""
    variables = follow(group, "vars")
    yield from (follow_array(variables, str(index)) for index in range(len(variables)))
    for part in PARTS:
        for name in (part, f"_{part}"):  # tf_keras hides some
            if name in group:
                yield from _arrays(follow(group, name))


def _snake_case(name: str) -> str:
    """Return the name as Keras writes it: BatchNormalization as batch_normalization, ReLU as re_lu."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
