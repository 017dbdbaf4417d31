"""Share of input values that a quantized input tensor cannot hold: they are clipped, and the model never sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array


def held_values(
    dtype: str, scale: float, zero_point: int, preprocessing: tuple[Sequence[float], Sequence[float]]
) -> Array:
    """Return the lowest and highest value that an input tensor holds, (2, 1 or channels) float32, in the data's units.

    Half a step beyond the outermost values still rounds to them and is held. A float tensor holds everything.

    Args:
        dtype: Of the tensor: float32, int8, uint8 or int16.
        scale: `real = scale * (q - zero_point)`.
        zero_point: See `scale`.
        preprocessing: Scale and offset that turn the data's units into model inputs.
    """
    factors, offsets = (np.asarray(values, np.float64) for values in preprocessing)
    if dtype == "float32":
        return np.array([[-np.inf], [np.inf]], np.float32)
    info = np.iinfo(dtype)
    steps = np.array([[info.min - 0.5], [info.max + 0.5]]) - zero_point
    bounds = (steps * scale - offsets) / factors
    return np.sort(bounds, axis=0).astype(np.float32)


def saturated_shares(x: Array, held: Array) -> Array:
    """Return the share of each sample's values outside of `held`, (n,) float32, of samples (n, *shape) float32."""
    if np.isinf(held).all():
        return np.zeros(len(x), np.float32)
    outside = (x < held[0]) | (x > held[1])
    return np.asarray(outside.reshape(len(x), -1).mean(axis=1), np.float32)
