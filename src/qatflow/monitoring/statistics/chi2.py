"""Pearson's chi-squared of the predicted classes: which ones come up how often."""

from __future__ import annotations

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.bins import pool_rare
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.statistics.base import Outcome, Window


def chi2(reference: Reference, window: Window) -> Outcome | None:
    """Compare how often each class is predicted; for classification only."""
    if reference.about.task != "classification":
        return None
    counts = np.bincount(window.classes, minlength=len(reference.class_counts))
    return Outcome(*distance_and_p(reference.class_counts, counts))


def distance_and_p(reference: Array, window: Array) -> tuple[float, float]:
    """Return Cramér's V (0 alike, 1 disjoint) of two counts (k,) of the same classes, and the p-value of homogeneity.

    Classes too rare for chi-squared's law are pooled.
    """
    from scipy.special import chdtrc

    table = np.concatenate(pool_rare(reference[None], window[None])).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(statistic / table.sum())), float(chdtrc(table.shape[1] - 1, statistic))
