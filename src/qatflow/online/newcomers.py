"""Samples of labels that are no class yet: a class comes to be when there are enough of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array

MAX_NAMES = 32
"""So many new labels are remembered; beyond it the one that came first is forgotten."""


class Newcomers:
    """Keeps the samples of each new label until they are `enough` for a class, so that a misspelt label makes none.

    Args:
        top: So many classes may come to be, with those that there were.
        enough: Samples of one label.
        shape: Of one sample.

    Attributes:
        forgotten: Samples of labels that were forgotten.
    """

    def __init__(self, top: int, enough: int, shape: tuple[int, ...]) -> None:
        self.top, self._enough, self._shape = top, enough, shape
        self._held: OrderedDict[str, list[Array]] = OrderedDict()
        self.forgotten = 0

    @property
    def waiting(self) -> int:
        """Samples that are held."""
        return sum(map(len, self._held.values()))

    def take(self, name: str, x: Array, classes: int) -> list[Array] | None:
        """Take a sample; return all of its label once they are enough, None before.

        Args:
            name: The label.
            x: (*shape) float32.
            classes: That there are now; fewer than `top`.
        """
        held = self._held.setdefault(name, [])
        held.append(x)
        if len(held) >= self._enough:
            del self._held[name]
            self._forget(0 if classes + 1 >= self.top else MAX_NAMES)
            return held
        self._forget(MAX_NAMES)
        return None

    def _forget(self, kept: int) -> None:
        """Let go of the labels that came first, until so many are left."""
        while len(self._held) > kept:
            self.forgotten += len(self._held.popitem(last=False)[1])

    def arrays(self) -> dict[str, Array]:
        """Return the samples, (n, *shape) float32, one label after the other."""
        held = [x for samples in self._held.values() for x in samples]
        return {"newcomers": np.stack(held) if held else np.empty((0, *self._shape), np.float32)}

    def state(self) -> dict[str, Any]:
        """Return the rest of its state, as JSON."""
        names = [[name, len(samples)] for name, samples in self._held.items()]
        return {"names": names, "forgotten": self.forgotten}

    def restore(self, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        """Go on from what `arrays` and `state` returned."""
        rows = iter(arrays["newcomers"])
        self._held = OrderedDict((name, [next(rows) for _ in range(count)]) for name, count in state["names"])
        self.forgotten = int(state["forgotten"])
