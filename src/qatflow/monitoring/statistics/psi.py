"""Population stability index of each input feature, in bins that are frozen on the reference, with a p-value."""

from __future__ import annotations

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.bins import pool_rare
from qatflow.monitoring.multiple import benjamini_hochberg
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.statistics.base import Outcome, Part, Window

HALF = 0.5


def psi(reference: Reference, window: Window) -> Outcome:
    """Compare every feature of the inputs; Benjamini-Hochberg over the features."""
    values, p = index_and_p(reference.bins.counts, reference.bins.count(window.features))
    adjusted = benjamini_hochberg(p)
    rows = zip(reference.about.features, values.tolist(), p.tolist(), adjusted.tolist(), strict=True)
    return Outcome(float(values.max()), float(adjusted.min()), tuple(Part(*row) for row in rows))


def index_and_p(reference: Array, window: Array) -> tuple[Array, Array]:
    """Return the PSI (f,) of counts (f, b) in the same bins, and its p-values (f,).

    The index is the sum of (a - b) ln(a / b) over the bins' shares. If both are samples of one source, of m and n
    values, then index / (1/m + 1/n) tends to chi-squared with one degree less than there are bins (Yurdakul and
    Naranjo, Journal of Risk Model Validation 14:4, 2020). For small samples that law's tail is too light: with half a
    value more in each bin (Jeffreys) its error is below a tenth down to p = 0.001, where bins hold 10 values or more.
    """
    from scipy.special import chdtrc  # takes a fifth of a second, which only a monitor should pay

    old, new = pool_rare(reference, window)
    used = old + new > 0
    bins = used.sum(axis=1)
    m, n = old.sum(axis=1, keepdims=True), new.sum(axis=1, keepdims=True)
    a = _shares(new, n, HALF, used)
    b = _shares(old, m, HALF * m / np.maximum(n, 1), used)
    values = np.where(used, (a - b) * np.log(a / b), 0.0).sum(axis=1)
    testable = (bins > 1) & (m[:, 0] > 0) & (n[:, 0] > 0)
    with np.errstate(divide="ignore"):
        scaled = values / (1.0 / m + 1.0 / n)[:, 0]
    p = np.where(testable, chdtrc(np.maximum(bins - 1, 1), scaled), 1.0)
    return np.where(testable, values, 0.0), p


def _shares(counts: Array, total: Array, more: Array | float, used: Array) -> Array:
    """Return the share of each used bin when each holds so many values `more`; 1 elsewhere."""
    bins = used.sum(axis=1, keepdims=True)
    shares = (counts + more) / np.maximum(total + more * bins, 1e-9)
    return np.where(used & (shares > 0), shares, 1.0)
