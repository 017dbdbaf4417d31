"""Makes windows: of what the server just answered, or of records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.features import embed
from qatflow.monitoring.records import Rows
from qatflow.monitoring.reference import Reference, signals
from qatflow.monitoring.statistics.base import Window


@dataclass(frozen=True, eq=False)
class Served:
    """Consecutive answers of one model, oldest first.

    Attributes:
        x: (n, *shape) float32 in the data's own units; None where inputs were not kept.
        features: (n, f) float32.
        saturated: (n,) float32.
        scores: (n, k) float32.
        latency_s: (n,) float64, of the request that each sample came with.
    """

    x: Array | None
    features: Array
    saturated: Array
    scores: Array
    latency_s: Array

    def __len__(self) -> int:
        return len(self.scores)

    def last(self, count: int) -> Served:
        """Return the last `count` answers."""
        x = None if self.x is None else self.x[-count:]
        return Served(x, *(part[-count:] for part in self._plain()))

    def then(self, other: Served) -> Served:
        """Return these and those that followed."""
        x = None if self.x is None or other.x is None else np.concatenate([self.x, other.x])
        return Served(x, *(np.concatenate(pair) for pair in zip(self._plain(), other._plain(), strict=True)))

    def digest(self) -> str:
        """Return the SHA-256 of inputs and scores."""
        parts = (self.features if self.x is None else np.asarray(self.x, np.float32), self.scores)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def _plain(self) -> tuple[Array, Array, Array, Array]:
        return self.features, self.saturated, self.scores, self.latency_s


def of_rows(rows: Rows) -> Served:
    """Return what records hold."""
    return Served(rows.inputs, rows.features, rows.saturated, rows.scores, rows.latency_s)


def window_of(reference: Reference, served: Served, digest: str) -> Window:
    """Return the window that statistics compare with the reference; its seed is from its digest."""
    task = reference.about.task
    return Window(
        features=served.features,
        signals=signals(task, served.scores),
        classes=served.scores.argmax(axis=1) if task == "classification" else np.zeros(0, np.int64),
        embedded=None if served.x is None else embed(served.x) / reference.scale,
        seed=int(digest[:8], 16),
    )
