"""Copies a Functional model and tells which layers read which."""

from typing import Any

from qatflow.backend import keras
from qatflow.models.kernels import KERNELS


def copied(model: keras.Model) -> keras.Model:
    """Return a model of the same layers, names and weights; its layers are called in no other model."""
    copy = keras.models.clone_model(model)
    for layer in copy.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy


def has_plain_kernel(layer: Any) -> bool:
    """Tell whether `layer` multiplies by one kernel, channels last, ungrouped, and is called once."""
    plain = type(layer) in KERNELS and getattr(layer, "groups", 1) == 1
    return plain and is_channels_last(layer) and len(layer.inbound_nodes) == 1


def outputs_of(layer: Any) -> int:
    """Return how many output channels such a layer has."""
    return int(layer.output_shape[-1])


def is_channels_last(layer: Any) -> bool:
    """Tell whether the last axis holds the channels, which layers without a choice leave there."""
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def only_reader(model: keras.Model, layer: Any) -> Any:
    """Return the one layer of `model`, a result of `copied`, that reads what `layer` gives.

    None if none or several do, `layer` is called more than once, or the model itself gives it out.
    """
    if layer.name in model.output_names or len(layer.inbound_nodes) != 1 or len(layer.outbound_nodes) != 1:
        return None
    return layer.outbound_nodes[0].layer
