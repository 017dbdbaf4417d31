"""Brings a model from memory into the form that one from a file has: operators between tensors become layers."""

from qatflow.backend import keras
from qatflow.models.config import build_from_config, plain_config
from qatflow.models.weights import settle


def standard(model: keras.Model) -> keras.Model:
    """Return a copy of a model in which `x * 2 + y` and the like are Rescaling, Add and other built-in layers.

    Raises:
        ModelError: If it holds anything that is not loaded from files either; the layer is named.
    """
    copy = build_from_config(plain_config(model.to_json()), model.count_params())
    for layer in copy.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    settle(copy)
    return copy
