"""What is learned again with each batch, against forgetting: training samples, and samples of the stream so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array


class Replay:
    """Half of each draw are training samples, which never leave; half come from a reservoir of the stream.

    Had the stream's samples to share one reservoir with the training samples, a long stream would push these out, and
    with them what the model knew before.

    The reservoir is Algorithm R (Vitter, "Random Sampling with a Reservoir", ACM TOMS 11:37, 1985): each sample of the
    stream is in it with the same probability.

    Args:
        anchor: Training samples (n, *shape) float32 and labels (n,) int64.
        size: Samples that the reservoir holds.
        seed: Of what is drawn.
    """

    def __init__(self, anchor: tuple[Array, Array], size: int, seed: int) -> None:
        self._anchor, self._size, self._seen = anchor, size, 0
        self._x = np.empty((0, *anchor[0].shape[1:]), np.float32)
        self._labels = np.empty(0, np.int64)
        self._random = np.random.Generator(np.random.PCG64(seed))

    def draw(self, count: int) -> tuple[Array, Array]:
        """Return `count` samples, (count, *shape) and (count,), fewer only if there are fewer training samples."""
        recent = min(count // 2, len(self._x))
        old = self._random.choice(len(self._anchor[0]), min(count - recent, len(self._anchor[0])), replace=False)
        new = self._random.choice(len(self._x), recent, replace=False)
        x = np.concatenate([self._anchor[0][old], self._x[new]])
        return x, np.concatenate([self._anchor[1][old], self._labels[new]])

    def add(self, x: Array, labels: Array) -> None:
        """Take samples of the stream (n, *shape) and labels (n,), in their order."""
        for sample, label in zip(x, labels, strict=True):
            self._seen += 1
            if len(self._x) < self._size:
                self._x, self._labels = np.concatenate([self._x, sample[None]]), np.append(self._labels, label)
                continue
            place = int(self._random.integers(self._seen))
            if place < self._size:
                self._x[place], self._labels[place] = sample, label

    def arrays(self) -> dict[str, Array]:
        """Return what the reservoir holds."""
        return {"x": self._x, "labels": self._labels}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        return {"seen": self._seen, "random": self._random.bit_generator.state}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        self._x, self._labels = np.array(arrays["x"]), np.array(arrays["labels"])
        self._seen = int(state["seen"])
        self._random.bit_generator.state = dict(state["random"])
