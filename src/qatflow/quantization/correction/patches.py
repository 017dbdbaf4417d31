"""What a convolution's kernel sees at each of its positions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """How a kernel moves over an image; each pair is (vertical, horizontal).

    Attributes:
        size: Of the kernel, in elements.
        strides: Between two positions.
        dilation: Between two elements of the kernel.
        same: Pad with zeros as TensorFlow's SAME does, so that there is a position for every stride; else VALID.
    """

    size: Pair
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    same: bool = False

    @property
    def extent(self) -> Pair:
        """Pixels from the first to the last element of the kernel."""
        return self._extent(0), self._extent(1)

    def padding(self, axis: int, length: int) -> Pair:
        """Return how many zeros stand before and behind an image `length` long along `axis`."""
        step = self.strides[axis]
        missing = max((-(-length // step) - 1) * step + self._extent(axis) - length, 0) if self.same else 0
        return missing // 2, missing - missing // 2

    def _extent(self, axis: int) -> int:
        return (self.size[axis] - 1) * self.dilation[axis] + 1


def patches(images: Array, window: Window) -> Array:
    """Return a view (n, rows, columns, kernel height, kernel width, channels) of images (n, h, w, channels)."""
    padded = np.pad(images, [(0, 0), *(window.padding(axis, images.shape[axis + 1]) for axis in (0, 1)), (0, 0)])
    views = np.lib.stride_tricks.sliding_window_view(padded, window.extent, axis=(1, 2))
    (down, right), (row_step, column_step) = window.strides, window.dilation
    taken = views[:, ::down, ::right, :, ::row_step, ::column_step]
    return np.moveaxis(taken, 3, -1)


def mean_patch(images: Array, window: Window) -> npt.NDArray[np.float64]:
    """Return the mean over images (n, h, w, channels) and positions, (kernel height, kernel width, channels)."""
    return np.asarray(patches(images.astype(np.float64), window).mean(axis=(0, 1, 2)))
