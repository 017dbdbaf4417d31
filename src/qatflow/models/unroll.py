"""Writes recurrent layers out step by step: TFLite has no integer form of the loops that Keras makes of them."""

from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers

RECURRENT = (layers.RNN, layers.Bidirectional)
INTO = ("layer", "backward_layer", "config")
"""Settings under which wrappers keep the layers inside them."""


def unroll(model: keras.Model) -> keras.Model:
    """Return a model that computes the same, in which LSTM, GRU, SimpleRNN and Bidirectional hold no loop.

    An unrolled LSTM converts to integers throughout; the flatbuffer grows by some operators for each time step.

    Args:
        model: Flat, see `flatten`.

    Raises:
        ModelError: If a recurrent layer does not know how many time steps it gets.
    """
    return rebuild(model, lambda layer: [_unrolled(layer) if isinstance(layer, RECURRENT) else copied(layer)])


def loops(model: keras.Model) -> bool:
    """Tell whether a recurrent layer in a model computes in a loop."""
    return any(isinstance(part, RECURRENT) and not getattr(part, "unroll", True) for part in model.submodules)


def takes_ids(model: keras.Model) -> bool:
    """Tell whether an Embedding looks up the model's input: whole numbers, which a quantized input would blur."""
    readers = [node.layer for x in model.inputs for node in x.node.layer.outbound_nodes]
    return any(isinstance(layer, layers.Embedding) for layer in readers)


def masks_steps(model: keras.Model) -> bool:
    """Tell whether a recurrent layer in a model may be told to skip time steps."""
    parts = model.submodules
    masking = any(isinstance(part, layers.Masking) or getattr(part, "mask_zero", False) for part in parts)
    return masking and any(isinstance(part, RECURRENT) for part in parts)


def _unrolled(layer: Any) -> Part:
    steps = layer.input_shape[1]
    if steps is None:
        raise ModelError(f"layer '{layer.name}' gets any number of time steps; TFLite needs a fixed number")
    return copied(layer, **_without_loops(layer.get_config()))


def _without_loops(config: dict[str, Any]) -> dict[str, Any]:
    changes = {key: _without_loops(config[key]) for key in INTO if isinstance(config.get(key), dict)}
    return config | changes | ({"unroll": True} if "unroll" in config else {})
