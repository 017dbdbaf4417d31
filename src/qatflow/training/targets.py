"""Standardizes regression targets while a model trains: an optimizer's steps are of order one, targets may be of 1000.

The model itself keeps the targets' own units. Its last layer is linear, so units change exactly:
kernel * std, bias * std + mean.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.models.activations import activation_of

InUnits = Callable[[Array], Array]
"""Changes targets (n, d) on their way to the model."""


def initialize_units(model: keras.Model, data: PreparedData) -> None:
    """Put an untrained model's outputs, which are of order one, in the units of the data's targets."""
    if _applies(model, data):
        mean, std = _moments(data)
        _change_units(model.layers[-1], std, mean)


@contextmanager
def standardized(model: keras.Model, data: PreparedData) -> Iterator[InUnits]:
    """Let the model speak in standardized targets inside the block, and in the data's units before and after.

    Gives what to do with targets. Nothing, unless the task is regression and the last layer is plain and linear: a
    fake-quant one keeps the ranges it was made with.
    """
    if not _applies(model, data):
        yield lambda targets: targets
        return
    mean, std = _moments(data)
    scale, shift = (np.asarray(values, np.float32) for values in (1 / std, -mean / std))
    _change_units(model.layers[-1], 1 / std, -mean / std)
    try:
        yield lambda targets: targets * scale + shift
    finally:
        _change_units(model.layers[-1], std, mean)


def _applies(model: keras.Model, data: PreparedData) -> bool:
    layer = model.layers[-1]
    linear = type(layer) is keras.layers.Dense and layer.use_bias and activation_of(layer) == "linear"
    return data.task == "regression" and linear


def _moments(data: PreparedData) -> tuple[Array, Array]:
    """Return mean and standard deviation of the training targets, each (d,) float64; 1 where they are constant."""
    y = data.train.labels()
    std = y.std(axis=0, dtype=np.float64)
    return y.mean(axis=0, dtype=np.float64), np.where(std > 0, std, 1.0)


def _change_units(layer: Any, factor: Array, shift: Array) -> None:
    """Make a dense layer give `output * factor + shift`, each (d,)."""
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * factor, bias * factor + shift])
