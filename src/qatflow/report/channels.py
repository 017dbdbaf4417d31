"""Measures on flatbuffers how the error of quantization is spread over output channels. Pure: bytes in, values out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.tflite.inspect import LayerWeights, layer_weights

FIRST_AXIS = ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
"""Operators whose output channels lie along the first axis of their weights; of all others along the last."""


@dataclass(frozen=True)
class ChannelNoise:
    """The channels of one layer that have an error.

    Attributes:
        sqnr_db: Signal-to-quantization-noise ratio of each, in dB.
        worst: Index, among all channels of the layer, of the one with the lowest.
    """

    name: str
    sqnr_db: tuple[float, ...]
    worst: int


def channel_noise(float_model: bytes, model: bytes) -> list[ChannelNoise]:
    """Return the noise of each layer of two flatbuffers whose layers match in number and shape.

    Layers of another shape, such as those with channels removed, or without an error are left out.

    Raises:
        ConversionError: If weights cannot be read.
    """
    pairs = matched(layer_weights(float_model), layer_weights(model))
    found = [(layer.name, sqnr_by_channel(columns(layer), columns(original))) for original, layer in pairs]
    return [
        ChannelNoise(name, tuple(sqnr[np.isfinite(sqnr)].tolist()), int(np.nanargmin(sqnr)))
        for name, sqnr in found
        if np.isfinite(sqnr).any()
    ]


def matched(originals: list[LayerWeights], layers: list[LayerWeights]) -> list[tuple[LayerWeights, LayerWeights]]:
    """Pair layers by their order, those of one shape; nothing where the numbers differ."""
    if len(originals) != len(layers):
        return []
    return [pair for pair in zip(originals, layers, strict=True) if pair[0].values.shape == pair[1].values.shape]


def columns(layer: LayerWeights) -> npt.NDArray[np.float32]:
    """Return a layer's weights with one column an output channel, (n, c) float32."""
    values = layer.values
    if layer.operator in FIRST_AXIS:
        return values.reshape(len(values), -1).T
    return values.reshape(-1, values.shape[-1])


def sqnr_by_channel(values: Array, original: Array) -> npt.NDArray[np.float64]:
    """Return 10 log10(Σ original² / Σ (values - original)²) of each column of (n, c), in dB.

    Channels without a signal give NaN, those without an error infinity.
    """
    exact = original.astype(np.float64)
    signal, noise = (np.sum(part**2, axis=0) for part in (exact, values - exact))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(signal > 0, 10 * np.log10(signal / noise), np.nan))
