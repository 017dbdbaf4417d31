"""What is learned again with each batch, against forgetting: training samples, and samples of the stream so far."""

from __future__ import annotations

import json
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
        self._x = np.empty((size, *anchor[0].shape[1:]), np.float32)
        self._labels = np.empty(size, np.int64)
        self._random = np.random.Generator(np.random.PCG64(seed))

    @property
    def _held(self) -> int:
        return min(self._seen, self._size)

    def draw(self, count: int) -> tuple[Array, Array]:
        """Return `count` samples, (count, *shape) and (count,), fewer only if there are fewer training samples."""
        held = self._held
        recent = min(count // 2, held)
        old = self._random.choice(len(self._anchor[0]), min(count - recent, len(self._anchor[0])), replace=False)
        new = self._random.choice(held, recent, replace=False) if recent else np.empty(0, np.int64)
        x = np.concatenate([self._anchor[0][old], self._x[new]])
        return x, np.concatenate([self._anchor[1][old], self._labels[new]])

    def add(self, x: Array, labels: Array) -> None:
        """Take samples of the stream (n, *shape) and labels (n,), in their order."""
        for sample, label in zip(x, labels, strict=True):
            place = self._seen if self._seen < self._size else int(self._random.integers(self._seen + 1))
            self._seen += 1
            if place < self._size:
                self._x[place], self._labels[place] = sample, label

    def arrays(self) -> dict[str, Array]:
        """Return what the reservoir holds."""
        return {"x": self._x[: self._held], "labels": self._labels[: self._held]}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        return {"seen": self._seen, "random": json.dumps(self._random.bit_generator.state)}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        self._seen = int(state["seen"])
        self._x[: self._held], self._labels[: self._held] = arrays["x"], arrays["labels"]
        self._random.bit_generator.state = json.loads(state["random"])
