"""Folds batch normalization into the layer before it, where TFLite's converter would fold it off the trained grid.

The converter multiplies fake-quantized weights by one factor a channel. That keeps weights on their grid if they are
quantized per channel; with one scale for the whole tensor it does not, and what the device computes is not what was
trained.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.activations import activation_of
from qatflow.models.kernels import KERNELS
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers


def source_of(layer: Any) -> Any:
    """Return the one layer whose output `layer` is called on; None if there are none or several."""
    node = layer.inbound_nodes[0] if layer.inbound_nodes else None
    return None if node is None or isinstance(node.inbound_layers, list) else node.inbound_layers


def normalizes(layer: Any, kinds: tuple[type, ...]) -> bool:
    """Tell whether `layer` normalizes nothing but the linear output of a layer of one of `kinds`."""
    if not isinstance(layer, layers.BatchNormalization) or type(before := source_of(layer)) not in kinds:
        return False
    linear = activation_of(before) == "linear"
    return linear and len(before.outbound_nodes) == 1 and list(layer.axis) == [len(before.output_shape) - 1]


def norms_of(model: keras.Model, kinds: tuple[type, ...]) -> dict[str, Any]:
    """Return the batch normalization that can be folded into each layer of `kinds`, by the layer's name."""
    return {source_of(layer).name: layer for layer in model.layers if normalizes(layer, kinds)}


def gain_of(norm: Any) -> Array:
    """Return what a batch normalization multiplies each channel by, gamma / sqrt(variance + epsilon), (c,) float32."""
    scale = norm.gamma.numpy() if norm.scale else np.float32(1.0)
    return np.asarray(scale / np.sqrt(norm.moving_variance.numpy() + norm.epsilon), np.float32)


def fold(model: keras.Model, kinds: tuple[type, ...]) -> keras.Model:
    """Return a model that computes the same without the batch normalization behind layers of `kinds`.

    Per output channel: kernel * g and (bias - mean) * g + beta, where g = gamma / sqrt(variance + epsilon).
    """
    norms = norms_of(model, kinds)
    gone = {norm.name for norm in norms.values()}

    def replace(layer: Any) -> Sequence[Part]:
        if layer.name in gone:
            return []
        if layer.name not in norms:
            return [copied(layer)]
        return [Part(copied(layer, use_bias=True).layer, _folded_weights(layer, norms[layer.name]))]

    return rebuild(model, replace)


def _folded_weights(layer: Any, norm: Any) -> list[Array]:
    kernel = getattr(layer, KERNELS[type(layer)]).numpy()
    mean, gain = norm.moving_mean.numpy(), gain_of(norm)
    shift = norm.beta.numpy() if norm.center else 0.0
    bias = layer.bias.numpy() if layer.use_bias else 0.0
    per_output = gain.reshape(kernel.shape[2:]) if isinstance(layer, layers.DepthwiseConv2D) else gain
    return [kernel * per_output, (bias - mean) * gain + shift]
