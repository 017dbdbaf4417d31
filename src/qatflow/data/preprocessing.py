"""How raw samples become the model's float32 input: one scale and offset, or one for each feature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.moments import Moments


@dataclass(frozen=True)
class Preprocessing:
    """x * scale + offset in float32; each tuple has length 1 or the length of the last axis."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def apply(self, x: Array) -> Array:
        """Return raw samples (n, *shape) of any real dtype as float32 model inputs of the same shape."""
        scale, offset = np.array(self.scale, np.float32), np.array(self.offset, np.float32)
        return np.asarray(x.astype(np.float32) * scale + offset)


def choose_normalization(asked: str, full_scale: float | None, x_shape: Sequence[int]) -> str:
    """Return `unit`, `standard` or `none`.

    `auto` is `unit` where the full scale is known, `standard` for feature vectors, else `none`.
    """
    if asked != "auto":
        return asked
    if full_scale is not None:
        return "unit"
    return "standard" if len(x_shape) == 1 else "none"


def make_preprocessing(normalization: str, full_scale: float | None, train: Moments) -> Preprocessing:
    """Return the preprocessing of a normalization.

    `unit` divides by the full scale, or maps each feature's range in `train` to 0..1. `standard` gives each feature
    mean 0 and standard deviation 1 in `train`. Constant features are shifted only.
    """
    if normalization == "none":
        return Preprocessing((1.0,), (0.0,))
    if normalization == "unit" and full_scale is not None:
        return Preprocessing((1.0 / full_scale,), (0.0,))
    unit = normalization == "unit"
    spread = train.maximum - train.minimum if unit else train.std
    scale = 1.0 / np.where(train.maximum > train.minimum, spread, 1.0)
    origin = train.minimum if unit else train.mean
    return Preprocessing(_floats(scale), _floats(-origin * scale))


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
