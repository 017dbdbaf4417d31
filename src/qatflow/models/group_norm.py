"""Writes group normalization as layer normalization of groups, which TFLite's converter can express.

tf_keras computes shapes and weights of moments as it goes, and the converter makes a BROADCAST_TO of them that fails.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.flatten import flatten
from qatflow.models.rebuild import Part, copied, rebuild, unique

layers = keras.layers


def without_group_norms(model: keras.Model) -> keras.Model:
    """Return a model that computes the same; it itself if it normalizes no groups.

    What multiplies and shifts the channels behind becomes a Rescaling: constants, which train no more.

    Raises:
        ModelError: If channels are not the last axis.
    """
    if not any(isinstance(part, layers.GroupNormalization) for part in model.submodules):
        return model
    flat = flatten(model)
    taken = {layer.name for layer in flat.layers}

    def replace(layer: Any) -> Sequence[Part]:
        return _parts(layer, taken) if isinstance(layer, layers.GroupNormalization) else [copied(layer)]

    return rebuild(flat, replace)


def _parts(layer: Any, taken: set[str]) -> list[Part]:
    _, *shape = layer.input_shape
    if layer.axis not in {-1, len(shape)}:
        raise ModelError(
            f"layer '{layer.name}' normalizes groups along axis {layer.axis}; TFLite needs channels as the last axis: "
            "put a Permute before and behind it, and give it axis=-1"
        )
    groups, channels = layer.groups, shape[-1]
    gain = layer.gamma.numpy() if layer.scale else np.ones(channels, np.float32)
    shift = layer.beta.numpy() if layer.center else np.zeros(channels, np.float32)
    parts = [
        layers.Reshape((int(np.prod(shape[:-1])), groups, channels // groups), name=unique(f"{layer.name}_in", taken)),
        layers.LayerNormalization(axis=(1, 3), epsilon=layer.epsilon, center=False, scale=False, name=layer.name),
        layers.Reshape(shape, name=unique(f"{layer.name}_out", taken)),
        layers.Rescaling(gain.tolist(), shift.tolist(), name=unique(f"{layer.name}_affine", taken)),
    ]
    return [Part(part, []) for part in parts]
