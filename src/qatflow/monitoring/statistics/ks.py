"""Kolmogorov and Smirnov's distance of the scores: the confidence of a classifier, or each output of a regressor."""

from __future__ import annotations

import math

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.multiple import benjamini_hochberg
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.statistics.base import Outcome, Part, Window


def ks(reference: Reference, window: Window) -> Outcome:
    """Compare every signal; Benjamini-Hochberg over the signals, if there are several."""
    rng = window.rng()
    pairs = zip(reference.signals.T, window.signals.T, strict=True)
    values, p = np.array([distance_and_p(old, new, rng) for old, new in pairs]).T
    adjusted = benjamini_hochberg(p)
    rows = enumerate(zip(values.tolist(), p.tolist(), adjusted.tolist(), strict=True))
    parts = tuple(Part(f"output {index}", *row) for index, row in rows)
    return Outcome(float(values.max()), float(adjusted.min()), parts if len(parts) > 1 else ())


def distance_and_p(reference: Array, window: Array, rng: np.random.Generator) -> tuple[float, float]:
    """Return the largest distance of two samples' distribution functions, (m,) and (n,), and its p-value.

    An int8 model's scores have 256 values, and most are the same one. Ties are broken at random, in both samples alike:
    the ranks are then those of continuous values, and the test is exact where it would else hardly ever reject.
    The p-value is Kolmogorov's limit with Stephens' correction for small samples (JRSS B 32:1, 1970).
    """
    from scipy.special import kolmogorov

    m, n = len(reference), len(window)
    both = np.concatenate([reference, window])
    order = np.lexsort((rng.random(m + n), both))
    steps = np.where(order < m, 1.0 / m, -1.0 / n)
    distance = float(np.abs(np.cumsum(steps)).max())
    root = math.sqrt(m * n / (m + n))
    return distance, float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
