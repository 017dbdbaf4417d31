"""Cross-layer equalization: gives the channels of consecutive layers equal weight ranges, the outputs stay the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.backend import keras
from qatflow.models.activations import activation_of
from qatflow.models.kernels import kernel_of
from qatflow.quantization.correction.graph import (
    copied,
    has_plain_kernel,
    is_channels_last,
    only_reader,
    outputs_of,
)

layers = keras.layers
Float64 = npt.NDArray[np.float64]

CHANNELWISE = (
    layers.ZeroPadding2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.GlobalAveragePooling2D,
    layers.Flatten,
    layers.Dropout,
)
"""Layers f with f(s * x) = s * f(x) for any factor s > 0 a channel, of which each output reads one channel only."""
HOMOGENEOUS = ("linear", "relu")
LIMIT = 100.0
"""Bound of the factors in both directions: weights near zero are noise, and their channel's bias grows with them."""
TOLERANCE = 1e-3
MAX_SWEEPS = 200


@dataclass(frozen=True, eq=False)
class Link:
    """Two layers of which the second reads the first through nothing but `CHANNELWISE` layers and ReLUs.

    Attributes:
        outgoing: View on the first kernel, (k, channels).
        bias: Of the first, (channels,); None if it has none.
        incoming: View on the second kernel, (k, channels, outputs of each).
        total: Product of the factors so far, (channels,).
    """

    outgoing: Float64
    bias: Float64 | None
    incoming: Float64
    total: Float64

    def equalize(self) -> float:
        """Scale both kernels in place and return the largest change, as |log s|."""
        s = factors(np.abs(self.outgoing).max(axis=0), np.abs(self.incoming).max(axis=(0, 2)))
        s = np.clip(s * self.total, 1 / LIMIT, LIMIT) / self.total
        self.total[:] *= s
        self.outgoing[:] /= s
        self.incoming[:] *= s[:, None]
        if self.bias is not None:
            self.bias[:] /= s
        return float(np.abs(np.log(s)).max())


def factors(first: Float64, second: Float64) -> Float64:
    """Return s = sqrt(first / second), which makes first / s and second * s equal; 1 where a range is 0 or NaN.

    Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", equation 11.
    """
    usable = np.isfinite(first) & np.isfinite(second) & (first > 0) & (second > 0)
    return np.sqrt(np.where(usable, first, 1.0) / np.where(usable, second, 1.0))


def equalize(model: keras.Model) -> keras.Model:
    """Return a model that computes the same within float rounding, with the weight ranges of linked layers equalized.

    Convolutions, depthwise convolutions and dense layers are linked through ReLU (not ReLU6), padding, pooling and
    flattening, if nothing else reads what is between them. Batch normalization ends a chain: `fold.fold` it first.
    Ranges are max |w| of a channel; pairs are swept until no factor changes by more than 0.1 %, so that a chain with a
    depthwise convolution in its middle ends with three equal ranges. Layers keep their names, the model stays as it is.
    """
    copy = copied(model)
    plain = [layer for layer in copy.layers if has_plain_kernel(layer)]
    weights = {layer.name: [weight.astype(np.float64) for weight in layer.get_weights()] for layer in plain}
    links = list(_links(copy, weights))
    for _ in range(MAX_SWEEPS if links else 0):
        if max(link.equalize() for link in links) < TOLERANCE:
            break
    for layer in plain:
        layer.set_weights(weights[layer.name])
    return copy


def _links(model: keras.Model, weights: dict[str, list[Float64]]) -> Iterator[Link]:
    for layer in model.layers:
        if (reader := _linked(model, layer)) is not None:
            kernel, *bias = weights[layer.name]
            channels = outputs_of(layer)
            incoming = weights[reader.name][0].reshape(-1, channels, kernel_of(reader).shape[-1])
            yield Link(kernel.reshape(-1, channels), bias[0] if bias else None, incoming, np.ones(channels))


def _linked(model: keras.Model, layer: Any) -> Any:
    """Return the layer whose weights can take over the factors of `layer`'s outputs, or None."""
    if not has_plain_kernel(layer) or activation_of(layer) not in HOMOGENEOUS:
        return None
    reader = only_reader(model, layer)
    while reader is not None and _passes_factors(reader):
        reader = only_reader(model, reader)
    return reader if reader is not None and has_plain_kernel(reader) else None


def _passes_factors(layer: Any) -> bool:
    if isinstance(layer, layers.ReLU):
        return layer.max_value is None and float(layer.threshold) == 0.0
    if isinstance(layer, layers.Activation):
        return activation_of(layer) in HOMOGENEOUS
    return type(layer) in CHANNELWISE and is_channels_last(layer)
