"""A fixed number of samples of all that were seen, each as likely as any other; replayed against forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array


class Reservoir:
    """Algorithm R (Vitter, "Random Sampling with a Reservoir", ACM TOMS 11:37, 1985).

    Args:
        x: (n, *shape) float32, what it begins with; its length is the reservoir's size.
        labels: (n,) int64.
        seen: Samples that these stand for.
        seed: Of what is drawn.
    """

    def __init__(self, x: Array, labels: Array, seen: int, seed: int) -> None:
        self._x, self._labels, self._seen = np.array(x), np.array(labels), seen
        self._random = np.random.Generator(np.random.PCG64(seed))

    def draw(self, count: int) -> tuple[Array, Array]:
        """Return `count` different samples, (count, *shape) and (count,); all of them if it holds no more."""
        chosen = self._random.choice(len(self._x), min(count, len(self._x)), replace=False)
        return self._x[chosen], self._labels[chosen]

    def add(self, x: Array, labels: Array) -> None:
        """Take samples (n, *shape) and labels (n,) in their order."""
        for sample, label in zip(x, labels, strict=True):
            self._seen += 1
            place = int(self._random.integers(self._seen))
            if place < len(self._x):
                self._x[place], self._labels[place] = sample, label

    def arrays(self) -> dict[str, Array]:
        """Return what it holds."""
        return {"x": self._x, "labels": self._labels}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        return {"seen": self._seen, "random": self._random.bit_generator.state}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        self._x, self._labels = np.array(arrays["x"]), np.array(arrays["labels"])
        self._seen = int(state["seen"])
        self._random.bit_generator.state = dict(state["random"])
