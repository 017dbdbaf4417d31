"""The RBF kernel of MMD, and its bandwidth."""

from __future__ import annotations

import numpy as np

from qatflow.artifacts import Array


def rbf(a: Array, b: Array, gamma: float) -> Array:
    """Return exp(-gamma |a - b|²), (len(a), len(b)) float32, of rows float32."""
    return np.exp(np.float32(-gamma) * _squared_distances(a, b))


def bandwidth(a: Array) -> float:
    """Return one over the median squared distance of different rows (n, e): the median heuristic; 1 if it is 0."""
    upper = _squared_distances(a, a)[np.triu_indices(len(a), 1)]
    median = float(np.median(upper)) if len(upper) else 0.0
    return 1.0 / median if median > 0 else 1.0


def _squared_distances(a: Array, b: Array) -> Array:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2 * (a @ b.T), 0.0), np.float32)
