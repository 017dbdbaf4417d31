"""Other views of training images, drawn anew each epoch from the seed alone. NumPy only.

What a sample becomes depends on the seed, the epoch and its stored position, not on the batch or the worker that has
it: a training that goes on from a checkpoint sees what an undisturbed one sees, and so do many workers together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import ParamsError, lookup

REACH = 10
"""Images move by at most one part in so many of their height and width."""
View = Callable[[Array, Array], Array]
"""Samples (b, *shape) and their stored positions (b,) -> the same samples as they are seen in one epoch."""


class Augmentation(NamedTuple):
    """One kind of change.

    Attributes:
        draw: Generator, count n and shape of one image -> what is drawn for each, (n, …).
        apply: Images (b, h, w, c) and what was drawn for them, (b, …) -> the images changed, in a new array.
    """

    draw: Callable[[np.random.Generator, int, Sequence[int]], Array]
    apply: Callable[[Array, Array], Array]


def _flipped(images: Array, drawn: Array) -> Array:
    return np.where(drawn[:, None, None, None], images[:, :, ::-1], images)


def _draw_shifts(rng: np.random.Generator, count: int, shape: Sequence[int]) -> Array:
    reach = [max(1, size // REACH) for size in shape[:2]]
    return np.stack([rng.integers(-each, each + 1, count) for each in reach], axis=1)


def _shifted(images: Array, drawn: Array) -> Array:
    """Move images by (b, 2) pixels; what comes in at an edge repeats it, which fits any normalization."""
    rows, columns = (
        np.clip(np.arange(size) + drawn[:, axis, None], 0, size - 1) for axis, size in enumerate(images.shape[1:3])
    )
    return np.asarray(images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]])


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "flip": Augmentation(lambda rng, count, _: rng.random(count) < 0.5, _flipped),
    "shift": Augmentation(_draw_shifts, _shifted),
}
"""Name -> plug: `flip` mirrors half of the images left to right, `shift` moves them by whole pixels.

They are what MLPerf Tiny trains its image classifier with, but for small rotations (Banbury et al., "MLPerf Tiny
Benchmark", 2021).
"""


def check_augmentations(names: Sequence[str], shape: Sequence[int]) -> None:
    """Check what is asked for against the shape of one sample, before anything is trained.

    Raises:
        ParamsError: If there is no such augmentation, one is named twice, or samples are no images.
    """
    if len(set(names)) != len(names):
        raise ParamsError(f"augment names one twice: {', '.join(names)}")
    for name in names:
        lookup("augmentation", name, AUGMENTATIONS)
    if names and len(shape) != 3:
        raise ParamsError(
            f"augment: [{', '.join(names)}] changes images of shape (height, width, channels), but samples have shape "
            f"{tuple(shape)}; set augment to []"
        )


def view_of(names: Sequence[str], count: int, shape: Sequence[int], seed: int, epoch: int) -> View:
    """Return how a split is seen in one epoch.

    Args:
        names: Of `AUGMENTATIONS`, applied in this order; none leave the samples as they are.
        count: Samples of the split.
        shape: Of one sample.
        seed: Of the training.
        epoch: Number of the epoch, from 0.
    """
    check_augmentations(names, shape)
    rngs = {name: np.random.default_rng((seed, epoch, crc32(name.encode()))) for name in names}
    drawn = {name: AUGMENTATIONS[name].draw(rng, count, shape) for name, rng in rngs.items()}

    def view(x: Array, positions: Array) -> Array:
        for name, each in drawn.items():
            x = AUGMENTATIONS[name].apply(x, each[positions])
        return x

    return view
