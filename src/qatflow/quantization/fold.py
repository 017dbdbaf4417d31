"""Folds batch normalization into the layer before it, where TFLite's converter would fold it off the trained grid.

The converter multiplies fake-quantized weights by one factor a channel. That keeps weights on their grid if they are
quantized per channel; with one scale for the whole tensor it does not, and what the device computes is not what was
trained.
"""

from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.config import plain_config

layers = keras.layers

KERNELS = {layers.Conv2D: "kernel", layers.DepthwiseConv2D: "depthwise_kernel", layers.Dense: "kernel"}


def source_of(layer: Any) -> Any:
    """Return the one layer whose output `layer` is called on; None if there are none or several."""
    node = layer.inbound_nodes[0] if layer.inbound_nodes else None
    return None if node is None or isinstance(node.inbound_layers, list) else node.inbound_layers


def normalizes(layer: Any, kinds: tuple[type, ...]) -> bool:
    """Tell whether `layer` normalizes nothing but the linear output of a layer of one of `kinds`."""
    if not isinstance(layer, layers.BatchNormalization) or type(before := source_of(layer)) not in kinds:
        return False
    linear = before.get_config()["activation"] == "linear"
    return linear and len(before.outbound_nodes) == 1 and list(layer.axis) == [len(before.output_shape) - 1]


def fold(model: keras.Model, kinds: tuple[type, ...]) -> keras.Model:
    """Return a model that computes the same without the batch normalization behind layers of `kinds`.

    Per output channel: kernel * g and (bias - mean) * g + beta, where g = gamma / sqrt(variance + epsilon).
    """
    pairs = {layer.name: source_of(layer).name for layer in model.layers if normalizes(layer, kinds)}
    config = plain_config(model.to_json())
    folded = type(model).from_config(_without(config["config"], pairs))
    norms = {before: model.get_layer(name) for name, before in pairs.items()}
    for layer in folded.layers:
        origin = model.get_layer(layer.name)
        layer.set_weights(_folded_weights(origin, norms[layer.name]) if layer.name in norms else origin.get_weights())
    return folded


def _without(settings: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    kept = [layer for layer in settings["layers"] if layer["config"]["name"] not in pairs]
    for layer in kept:
        if layer["config"]["name"] in pairs.values():
            layer["config"]["use_bias"] = True
    references = [source for layer in kept for call in layer.get("inbound_nodes", []) for source in call]
    for reference in [*references, *settings.get("output_layers", [])]:
        reference[0] = pairs.get(reference[0], reference[0])
    return settings | {"layers": kept}


def _folded_weights(layer: Any, norm: Any) -> list[Array]:
    kernel = getattr(layer, KERNELS[type(layer)]).numpy()
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    gain = (norm.gamma.numpy() if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    shift = norm.beta.numpy() if norm.center else 0.0
    bias = layer.bias.numpy() if layer.use_bias else 0.0
    per_output = gain.reshape(kernel.shape[2:]) if isinstance(layer, layers.DepthwiseConv2D) else gain
    return [kernel * per_output, (bias - mean) * gain + shift]
