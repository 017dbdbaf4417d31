"""Questions about a flat model's graph: who reads whom, and which operators TFLite makes one."""

from typing import Any

from qatflow.backend import keras
from qatflow.models.activations import activation_of, is_relu
from qatflow.models.kernels import KERNELS
from qatflow.quantization.fold import normalizes, source_of

layers = keras.layers

ARITHMETIC = (layers.Add, layers.Multiply, layers.Subtract)
PASSING = (
    layers.Dropout,
    layers.Flatten,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.Permute,
    layers.Reshape,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
)
"""Layers whose output lies on their input's grid."""


def reader_of(layer: Any) -> Any:
    """Return the one layer that reads the output of `layer`; None if none or several do."""
    nodes = layer.outbound_nodes
    return nodes[0].layer if len(nodes) == 1 and len(nodes[0].layer.inbound_nodes) == 1 else None


def fuses_into_reader(layer: Any) -> bool:
    """Tell whether TFLite keeps no tensor between a layer and the one that reads it, or not one of its own scale."""
    reader = reader_of(layer)
    if reader is None:
        return False
    if isinstance(reader, layers.Concatenate):
        return True
    if normalizes(reader, tuple(KERNELS)):
        return True
    linear = type(layer) in KERNELS and activation_of(layer) == "linear"
    return is_relu(reader) and (linear or isinstance(layer, (*ARITHMETIC, layers.BatchNormalization, layers.Rescaling)))


def grid_of(layer: Any) -> Any:
    """Return the layer on whose output's grid the input of `layer` lies; None if it reads several."""
    source = source_of(layer)
    while isinstance(source, PASSING):
        source = source_of(source)
    return source
