"""Bins that are frozen on a reference, and counts in them. Values outside and missing ones have bins of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array

BINS = 10


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of f features.

    Attributes:
        edges: (f, BINS + 1) float32, ascending: the reference's smallest value, inner edges, and what follows its
            largest value. A feature of few values has fewer bins; the edges it lacks repeat the last.
        counts: (f, BINS + 3) int64, the reference's values below, in each bin, above, and missing (NaN).
    """

    edges: Array
    counts: Array

    def count(self, values: Array) -> Array:
        """Return how many of (n, f) values fall into each bin, (f, BINS + 3) int64."""
        return count(self.edges, values)


def freeze(values: Array) -> Bins:
    """Return bins that hold equal shares of (m, f) finite or missing values."""
    values = np.asarray(values, np.float32)
    edges = np.stack([_edges(column[~np.isnan(column)]) for column in values.T])
    return Bins(edges, count(edges, values))


def count(edges: Array, values: Array) -> Array:
    """Return how many of (n, f) values fall below, between and above the edges (f, e), and are missing: (f, e + 2)."""
    features, width = edges.shape[0], edges.shape[1] + 2
    places = np.empty(values.shape, np.int64)
    for feature in range(features):
        places[:, feature] = np.searchsorted(edges[feature], values[:, feature], side="right")
    places[np.isnan(values)] = width - 1
    return np.bincount((places + np.arange(features) * width).ravel(), minlength=features * width).reshape(-1, width)


def _edges(values: Array) -> Array:
    """Return inner quantiles, each once, between both ends; a bin is `edge <= value < next edge`."""
    if not len(values):
        return np.zeros(BINS + 1, np.float32)
    top = np.nextafter(values.max(), np.float32(np.inf))
    inner = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="higher").astype(np.float32))
    edges = np.full(BINS + 1, top, np.float32)
    edges[0], edges[1 : len(inner) + 1] = values.min(), inner
    return edges


def pool_rare(reference: Array, window: Array, least: float = 5.0) -> tuple[Array, Array]:
    """Pool the bins in which the smaller sample would have fewer than `least` values if both were alike.

    Cochran's rule for chi-squared tests (Biometrics 10:4, 1954). Rare bins become one; if that is rare still, the
    smallest of the others joins it.

    Args:
        reference: (f, b) counts.
        window: (f, b) counts in the same bins.

    Returns:
        Both, (f, b + 1): first the pool, then the bins; those that went into the pool are 0.
    """
    both = reference + window
    totals = both.sum(axis=1)
    share = np.minimum(reference.sum(axis=1), window.sum(axis=1)) / np.maximum(totals, 1)
    rare = both * share[:, None] < least
    pooled = np.where(rare, both, 0).sum(axis=1)
    lonely = (pooled > 0) & (pooled * share < least) & ~rare.all(axis=1)
    smallest = np.where(rare, totals[:, None] + 1, both).argmin(axis=1)
    rare[lonely, smallest[lonely]] = True
    return _pool(reference, rare), _pool(window, rare)


def _pool(counts: Array, rare: Array) -> Array:
    return np.column_stack([np.where(rare, counts, 0).sum(axis=1), np.where(rare, 0, counts)])
