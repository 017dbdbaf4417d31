"""What stands where a player is absent: the training mean, a blur of the sample itself, or training samples."""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.errors import ParamsError

Fill = Literal["auto", "mean", "blur", "samples"]
IMAGE_RANK = 3
MEAN_SAMPLES = 2000
"""So many training samples estimate the mean within 1/45 of a standard deviation."""
BLUR = 1 / 8
"""Standard deviation of the blur, as a share of the shorter side."""


class Typical(Protocol):
    """Samples that are typical: a training split, or what a caller has."""

    def arrays(self, limit: int | None = None) -> tuple[Array, Array]:
        """Return the first `limit` model inputs, (n, *shape) float32, and what belongs to them."""


def choose_fill(wanted: Fill, shape: tuple[int, ...]) -> Fill:
    """Return what `auto` means: training samples for tables, where a mean is often a value that never occurs.

    Raises:
        ParamsError: If anything but an image is to be blurred.
    """
    if wanted == "blur" and len(shape) != IMAGE_RANK:
        raise ParamsError(f"Only images can be blurred, the inputs have shape {list(shape)}; choose mean or samples")
    if wanted != "auto":
        return wanted
    return "samples" if len(shape) == 1 else "mean"


def read_background(fill: Fill, train: Typical, samples: int) -> npt.NDArray[np.float32]:
    """Return what absent players show, (b, *shape) float32; empty for `blur`, which needs no data.

    Args:
        fill: As `choose_fill` gave it.
        train: The training split, or other typical samples.
        samples: How many of its samples stand in for absent players, with fill `samples`.
    """
    if fill == "samples":
        return np.asarray(train.arrays(limit=samples)[0], np.float32)
    if fill == "blur":
        return np.empty((0, *train.arrays(limit=1)[0].shape[1:]), np.float32)
    return np.asarray(train.arrays(limit=MEAN_SAMPLES)[0].mean(axis=0, keepdims=True, dtype=np.float64), np.float32)


def fillers(x: Array, background: Array) -> npt.NDArray[np.float32]:
    """Return the fillers of one sample, (b, *shape) float32: the background, or if that is empty its own blur."""
    if len(background):
        return np.asarray(background, np.float32)
    from scipy.ndimage import gaussian_filter  # a tenth of a second, which only this needs

    sigma = BLUR * min(x.shape[:2])
    return np.asarray(gaussian_filter(x, (sigma, sigma, 0.0), mode="nearest")[None], np.float32)
