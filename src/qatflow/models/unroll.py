"""Writes recurrent layers out step by step, or the other way: TFLite has an integer form of few of Keras' loops."""

from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.activations import activation_of
from qatflow.models.flatten import flatten
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers

RECURRENT = (layers.RNN, layers.Bidirectional)
FUSED = ("tanh", "sigmoid", True)
"""Activation, recurrent activation and use of a bias of TFLite's LSTM."""
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


def rolled(model: keras.Model) -> keras.Model:
    """Return a model that computes the same, in which recurrent layers that are written out are loops again."""
    written = any(isinstance(part, RECURRENT) and getattr(part, "unroll", False) for part in model.submodules)
    if not written:
        return model
    return rebuild(
        flatten(model),
        lambda layer: [
            copied(layer, **_with(layer.get_config(), unroll=False)) if isinstance(layer, RECURRENT) else copied(layer)
        ],
    )


def is_one_operator(layer: Any) -> bool:
    """Tell whether TFLite has an integer operator for all steps of a recurrent layer: it is a plain LSTM.

    Bidirectional ones, those with a mask, of other activations or with a state from elsewhere are no such; the
    calibration of TFLite's converter crashes on other loops.
    """
    if type(layer) is not layers.LSTM or layer.stateful or layer.return_state:
        return False
    plain = (activation_of(layer), layer.get_config()["recurrent_activation"], layer.use_bias) == FUSED
    return plain and len(layer.inbound_nodes) == 1 and not isinstance(layer.inbound_nodes[0].inbound_layers, list)


def loops(model: keras.Model) -> bool:
    """Tell whether a recurrent layer in a model computes in a loop."""
    return any(isinstance(part, RECURRENT) and not getattr(part, "unroll", True) for part in model.submodules)


def is_recurrent(model: keras.Model) -> bool:
    """Tell whether a model holds a recurrent layer, in a loop or written out."""
    return any(isinstance(part, RECURRENT) for part in model.submodules)


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
    return copied(layer, **_with(layer.get_config(), unroll=True))


def _with(config: dict[str, Any], *, unroll: bool) -> dict[str, Any]:
    changes = {key: _with(config[key], unroll=unroll) for key in INTO if isinstance(config.get(key), dict)}
    return config | changes | ({"unroll": unroll} if "unroll" in config else {})
