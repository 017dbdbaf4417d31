"""Gives a classifier outputs for further classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers
UNLIKELY = -20.0
"""Bias of an output that nothing was learned for: after a softmax it is 0 to eight places."""


def head_of(model: keras.Model) -> Any:
    """Return the dense layer whose outputs are the scores of the classes; a softmax may follow it.

    Raises:
        ModelError: If the model ends otherwise.
    """
    layer = model.get_layer(model.output_names[0])
    while isinstance(layer, layers.Softmax | layers.Activation):
        layer = layer.inbound_nodes[0].inbound_layers
    if not isinstance(layer, layers.Dense):
        raise ModelError(
            f"{model.name} ends in a {type(layer).__name__}, which takes no further classes; a Dense head does"
        )
    return layer


def widened(model: keras.Model, classes: int) -> keras.Model:
    """Return a copy with `classes` outputs. Those that are new have no weights and an unlikely bias.

    Args:
        model: Functional, with one output.
        classes: Not fewer than it has.

    Raises:
        ModelError: If its head cannot be widened.
    """
    head = head_of(model)
    more = classes - head.units
    return rebuild(model, lambda layer: [_wider(layer, more) if layer is head else copied(layer)])


def _wider(head: Any, more: int) -> Part:
    kernel, *bias = head.get_weights()
    wide = [np.pad(kernel, ((0, 0), (0, more))), *(np.pad(b, (0, more), constant_values=UNLIKELY) for b in bias)]
    return Part(copied(head, units=head.units + more).layer, wide)
