"""Brings a float model into the form that fake-quants are planned on: flat, with one operator of TFLite a layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.flatten import flatten
from qatflow.models.kernels import KERNELS
from qatflow.models.rebuild import Part, copied, rebuild
from qatflow.models.split import split
from qatflow.models.unroll import takes_ids, unroll
from qatflow.quantization.affine import merged
from qatflow.quantization.fold import fold

layers = keras.layers

INPUT_GRID = "input_grid"
"""Name of the layer that stands for the quantization of the input."""


def canonical(model: keras.Model, *, folded: bool = True) -> keras.Model:
    """Return a flat copy of a model that computes the same.

    Activations other than ReLU are layers of their own, and the input passes through a layer `input_grid`, unless an
    embedding reads it. Scales and offsets are `Rescaling`s, one for each chain. A pooling over the whole map becomes
    global: as AVERAGE_POOL_2D it would have to keep its input's scale, as MEAN it has a finer one of its own.

    Args:
        model: Functional or Sequential, with others inside it if it likes.
        folded: Whether batch normalization is folded into the layer before it; else only behind dense layers, where
            the converter does not keep the grid of unfolded weights.

    Raises:
        ModelError: If the model has no graph, holds a layer that cannot be copied, or weights that are not finite.
    """
    check_finite(model)
    flat = merged(split(unroll(flatten(_with_input_grid(flatten(model))))))
    return rebuild(fold(flat, tuple(KERNELS) if folded else (layers.Dense,)), _pooled)


def check_finite(model: keras.Model) -> None:
    """Check that all weights are numbers.

    Raises:
        ModelError: If not; the message names the layer.
    """
    for variable in model.weights:
        if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
            layer, _, name = variable.name.partition(":")[0].rpartition("/")
            raise ModelError(f"layer '{layer}' of {model.name} has NaN or infinity in its {name}; train it anew")


def _with_input_grid(model: keras.Model) -> keras.Model:
    if takes_ids(model):
        return model
    given = model.inputs[0]
    source = keras.Input(given.shape[1:], dtype=given.dtype, name=given.node.layer.name)
    return keras.Model(source, model(layers.Activation("linear", name=INPUT_GRID)(source)), name=model.name)


def _pooled(layer: Any) -> Sequence[Part]:
    if not isinstance(layer, layers.AveragePooling2D) or tuple(layer.pool_size) != tuple(layer.input_shape[1:3]):
        return [copied(layer)]
    return [Part(layers.GlobalAveragePooling2D(keepdims=True, name=layer.name), [])]
