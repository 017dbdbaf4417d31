"""What a model costs: multiply-accumulates, of all channels or of those that stay."""

from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.backend import keras
from qatflow.compression.channels import PRODUCERS, Channels, channels_of
from qatflow.models.kernels import KERNELS, kernel_of

Keep = npt.NDArray[np.bool_]
"""Whether a channel stays, by its number."""


def multiply_accumulates(model: keras.Model, channels: Channels | None = None, keep: Keep | None = None) -> int:
    """Return the multiply-accumulates of one sample in convolutions and dense layers.

    Args:
        model: Flat.
        channels: Of the model; followed anew where they are not given.
        keep: Channels that count, by number; None for all.
    """
    channels = channels or channels_of(model)
    keep = np.ones(channels.count, bool) if keep is None else keep
    return sum(_cost(layer, channels, keep) for layer in model.layers if type(layer) in KERNELS)


def _cost(layer: Any, channels: Channels, keep: Keep) -> int:
    positions = int(np.prod(layer.output_shape[1:-1]))
    if layer.name not in channels.inputs:  # stays as it is
        return positions * int(np.prod(kernel_of(layer).shape))
    inputs, outputs = sides(layer, channels, keep)
    area = int(np.prod(getattr(layer, "kernel_size", 1)))
    return positions * area * int(outputs.sum()) * (int(inputs.sum()) if type(layer) in PRODUCERS else 1)


def sides(layer: Any, channels: Channels, keep: Keep) -> tuple[Keep, Keep]:
    """Return which input and output channels of a layer with weights stay."""
    return keep[channels.inputs[layer.name]], keep[channels.outputs[layer.name]]
