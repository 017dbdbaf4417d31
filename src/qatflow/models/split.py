"""Takes layers that do several things at once apart, so that a fake-quant fits wherever the device rounds."""

from collections.abc import Sequence
from typing import Any

from qatflow.backend import keras
from qatflow.models.activations import activation_of
from qatflow.models.einsum import dense_parts
from qatflow.models.rebuild import Part, copied, is_stateless, rebuild, unique

layers = keras.layers

FUSED = ("linear", "relu")
"""Activations that TFLite computes inside the operator of the layer."""
SEPARABLE = {
    layers.SeparableConv1D: (layers.DepthwiseConv1D, layers.Conv1D),
    layers.SeparableConv2D: (layers.DepthwiseConv2D, layers.Conv2D),
}
"""The two convolutions that a separable one consists of."""
ACTIVATED = (
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.Dense, layers.EinsumDense, *SEPARABLE),
)
"""Layers that may have an activation inside."""
SHARED = ("data_format", "dtype", "trainable")
DEPTHWISE = (
    *("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier"),
    *("depthwise_initializer", "depthwise_regularizer", "depthwise_constraint"),
)
POINTWISE = ("filters", "activation", "use_bias", "bias_initializer", "bias_regularizer", "bias_constraint")
OF_KERNEL = ("initializer", "regularizer", "constraint")


def split(model: keras.Model) -> keras.Model:
    """Return a model that computes the same, with new layers of the same weights.

    A layer without weights that is called several times becomes one for each call. An activation inside a layer, other
    than linear and relu, becomes a layer behind it: `conv`, `conv_sigmoid`. A separable convolution becomes two:
    `conv_depthwise`, and `conv` with its bias and activation. An EinsumDense becomes a Dense, see `einsum`.

    Args:
        model: Flat, see `flatten`.

    Raises:
        ModelError: If it holds a layer that cannot be copied.
    """
    taken = {layer.name for layer in model.layers}

    def replace(layer: Any) -> Sequence[Part]:
        if type(layer) is layers.Activation and isinstance(layer.activation, layers.Layer):
            return [copied(layer.activation, name=layer.name)]
        if type(layer) not in ACTIVATED or activation_of(layer) in FUSED:
            return _pieces(layer, taken)
        *before, last = _pieces(layer, taken, activation="linear")
        behind = _activation(layer, taken)
        own = len(last.weights) - len(behind.weights)  # an activation that is a layer has its weights in the layer's
        return [*before, last._replace(weights=last.weights[:own]), behind]

    parts = rebuild(model, replace)
    if not any(len(layer.inbound_nodes) > 1 and is_stateless(layer) for layer in parts.layers):
        return parts
    return rebuild(parts, lambda layer: [copied(layer)], shared=False)


def _pieces(layer: Any, taken: set[str], **changes: Any) -> list[Part]:
    if type(layer) is layers.EinsumDense:
        return list(dense_parts(layer, taken, changes))
    return _separated(layer, taken, changes) if type(layer) in SEPARABLE else [copied(layer, **changes)]


def _activation(layer: Any, taken: set[str]) -> Part:
    function = layer.activation
    is_layer = isinstance(function, layers.Layer)
    kind = type(function).__name__.lower() if is_layer else function.__name__
    name = unique(f"{layer.name}_{kind}", taken)
    if is_layer:
        return copied(function, name=name)
    return Part(layers.Activation(function, dtype=layer.get_config()["dtype"], name=name), [])


def _separated(layer: Any, taken: set[str], changes: dict[str, Any]) -> list[Part]:
    """Return zero padding where it is causal, depthwise and pointwise convolution."""
    config = layer.get_config() | changes
    depthwise, pointwise = SEPARABLE[type(layer)]
    first = {key: config[key] for key in (*SHARED, *DEPTHWISE)}
    before = []
    if config["padding"] == "causal":
        past = config["dilation_rate"][0] * (config["kernel_size"][0] - 1)
        before = [Part(layers.ZeroPadding1D((past, 0), name=unique(f"{layer.name}_pad", taken)), [])]
        first["padding"] = "valid"
    second = {key: config[key] for key in (*SHARED, *POINTWISE)}
    second |= {f"kernel_{key}": config[f"pointwise_{key}"] for key in OF_KERNEL}
    kernel, *rest = layer.get_weights()
    name = unique(f"{layer.name}_depthwise", taken)
    return [
        *before,
        Part(depthwise(**first, use_bias=False, name=name), [kernel]),
        Part(pointwise(**second, kernel_size=1, name=layer.name), rest),
    ]
