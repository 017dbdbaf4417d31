"""The layers that multiply by a kernel: which attribute holds it, and how its channels lie."""

from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras

layers = keras.layers

KERNELS = {
    layers.Conv1D: "kernel",
    layers.Conv2D: "kernel",
    layers.Dense: "kernel",
    layers.DepthwiseConv2D: "depthwise_kernel",
}
"""Layers with weights that can be folded into, quantized and compressed, and the attribute that holds them."""


def kernel_of(layer: Any) -> Any:
    """Return the kernel variable of a layer that is one of `KERNELS`."""
    return getattr(layer, KERNELS[type(layer)])


def columns(layer: Any) -> Array:
    """Return a layer's kernel with a column for each output channel, (n, c) float32."""
    kernel = kernel_of(layer).numpy()
    channels = int(np.prod(kernel.shape[2:])) if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[-1]
    return np.asarray(kernel.reshape(-1, channels))


def quantizable(model: keras.Model) -> list[Any]:
    """Return the layers whose weights can be fake-quantized and compressed: of known kinds, and called once."""
    return [layer for layer in model.layers if type(layer) in KERNELS and len(layer.inbound_nodes) == 1]
