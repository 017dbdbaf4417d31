"""What is known of the course so far: counts, prequential accuracy, the recent window. All of it is in checkpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array

BUCKET = 100
MAX_BUCKETS = 20_000


class Prequential:
    """Test-then-train accuracy (Gama, Sebastião and Rodrigues, "On evaluating stream learning algorithms", 2013).

    Kept as hits of each `BUCKET` consecutive samples; of a stream longer than `MAX_BUCKETS` of them the oldest go.
    """

    def __init__(self) -> None:
        self._hits: deque[int] = deque(maxlen=MAX_BUCKETS)
        self._begun, self._hits_now = 0, 0
        self.first = 0

    def add(self, right: Array) -> None:
        """Take whether each of some samples was predicted right, (n,) bool, before it was learned."""
        for hit in right.tolist():
            self._begun, self._hits_now = self._begun + 1, self._hits_now + int(hit)
            if self._begun == BUCKET:
                self.first += len(self._hits) == MAX_BUCKETS
                self._hits.append(self._hits_now)
                self._begun = self._hits_now = 0

    def curve(self) -> tuple[Array, Array]:
        """Return samples seen at the end of each bucket, (b,) int64, and the accuracy in it, (b,) float64."""
        ends = (self.first + 1 + np.arange(len(self._hits))) * BUCKET
        return ends, np.array(self._hits, np.float64) / BUCKET

    def recent(self, buckets: int = 5) -> float | None:
        """Return the accuracy of the last buckets; None before the first."""
        last = list(self._hits)[-buckets:]
        return sum(last) / (BUCKET * len(last)) if last else None

    def arrays(self) -> dict[str, Array]:
        """Return the state."""
        return {"hits": np.array(self._hits, np.int64), "open": np.array([self._begun, self._hits_now, self.first])}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `arrays` returned."""
        self._hits = deque(arrays["hits"].tolist(), maxlen=MAX_BUCKETS)
        self._begun, self._hits_now, self.first = arrays["open"].tolist()


class Window:
    """The last labelled samples, as they were predicted and then learned.

    Args:
        size: So many at most.
        shape: Of one sample.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        self._size = size
        self.x = np.empty((0, *shape), np.float32)
        self.labels = np.empty(0, np.int64)

    def add(self, x: Array, labels: Array) -> None:
        """Take samples (n, *shape) and labels (n,)."""
        self.x = np.concatenate([self.x, x])[-self._size :]
        self.labels = np.concatenate([self.labels, labels])[-self._size :]

    def arrays(self) -> dict[str, Array]:
        """Return the state."""
        return {"x": self.x, "labels": self.labels}

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Go on from what `arrays` returned."""
        self.x, self.labels = arrays["x"], arrays["labels"]
