"""Puts arrays into the variables of a model, or refuses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError

BFLOAT16 = np.dtype("V2")
"""How HDF5 files hold bfloat16, the upper half of a float32."""


def named(variables: Sequence[Any]) -> dict[str, Array]:
    """Return the values of variables under their names; a running number in front keeps names unique and in order."""
    return {f"{index:04d}/{variable.name}": variable.numpy() for index, variable in enumerate(variables)}


def assign(variables: Sequence[Any], arrays: Mapping[str, Array], where: str) -> None:
    """Set variables to arrays, in order.

    Raises:
        ModelError: If count, a shape or a type differs, or a value is not finite in the variable's type; no variable
            is then changed.
    """
    if len(variables) != len(arrays):
        raise ModelError(f"{where} has {len(variables)} weight arrays, the file holds {len(arrays)} for it")
    cast = [
        _cast(variable, name, array, where) for variable, (name, array) in zip(variables, arrays.items(), strict=True)
    ]
    for variable, values in zip(variables, cast, strict=True):
        variable.assign(values)


def _cast(variable: Any, name: str, array: Array, where: str) -> Array:
    """Return the array in the variable's type; float64 that is finite may be infinite there."""
    if array.dtype == BFLOAT16:
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if array.shape != tuple(variable.shape) or array.dtype.kind not in "fiu":
        expected = f"{tuple(variable.shape)} {variable.dtype.name}"
        raise ModelError(f"{where}: {name} is {array.shape} {array.dtype}, expected {expected}")
    with np.errstate(all="ignore"):
        values = array.astype(variable.dtype.as_numpy_dtype, copy=False)
    if not (np.isfinite(array).all() and np.isfinite(values).all()):
        raise ModelError(f"{where}: {name} holds values that are not finite in {variable.dtype.name}")
    return values


def settle(model: keras.Model) -> None:
    """Let Normalization layers compute with the statistics that were assigned to them; they keep a copy."""
    for layer in model.submodules:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
