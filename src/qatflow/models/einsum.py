"""Writes an EinsumDense as the Dense that it is, where it sums over the last axes of its input.

TFLite's converter cannot quantize the product that einsum becomes, and fails; a dense layer it can.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.models.rebuild import Part, copied, unique

layers = keras.layers
SHARED = ("activation", "dtype", "trainable", "kernel_regularizer", "bias_regularizer", "activity_regularizer")


def dense_parts(layer: Any, taken: set[str], changes: dict[str, Any]) -> Sequence[Part]:
    """Return a Dense, with a Reshape before it and behind it where several axes are summed over or made.

    Args:
        layer: A built EinsumDense; one of another kind, such as `abc,abd->acd`, is copied.
        taken: Names that layers have.
        changes: Settings that it gets instead.
    """
    axes = _axes(layer)
    if axes is None or isinstance(layer.activation, layers.Layer):
        return [copied(layer, **changes)]
    summed, made = axes
    kept, sizes = layer.input_shape[1 : len(layer.input_shape) - summed], layer.kernel.shape[summed:]
    units = int(np.prod(sizes))
    config = layer.get_config() | changes
    settings = {key: config[key] for key in SHARED if key in config}
    kernel, *bias = layer.get_weights()
    weights = [kernel.reshape(-1, units), *(each.reshape(units) for each in bias)]
    dense = Part(layers.Dense(units, use_bias=bool(bias), name=layer.name, **settings), weights)
    before = [_reshape(f"{layer.name}_joined", (*kept, len(weights[0])), taken)] if summed > 1 else []
    behind = [_reshape(f"{layer.name}_parted", (*kept, *sizes), taken)] if made > 1 else []
    return [*before, dense, *behind]


def _axes(layer: Any) -> tuple[int, int] | None:
    """Return how many axes are summed over and how many are made; None if it is no dense layer."""
    given, kernel, result = re.split(",|->", layer.equation.replace(" ", ""))
    summed = "".join(letter for letter in kernel if letter in given)
    made = kernel.removeprefix(summed)
    kept = given.removesuffix(summed)
    is_dense = bool(summed and made and kept) and kept != given and kernel == summed + made and kept + made == result
    has_bias = layer.bias_axes in {None, "", made}
    return (len(summed), len(made)) if is_dense and has_bias else None


def _reshape(name: str, shape: tuple[int, ...], taken: set[str]) -> Part:
    return Part(layers.Reshape(shape, name=unique(name, taken)), [])
