"""Corrections for testing many hypotheses at once. A corrected p-value is compared with the level itself."""

from __future__ import annotations

import numpy as np

from qatflow.artifacts import Array


def benjamini_hochberg(p: Array) -> Array:
    """Return adjusted p-values (k,): rejecting those <= a keeps the share of false ones among the rejected <= a.

    If nothing has drifted at all, anything is rejected with probability <= a: Simes' test. Both hold for independent
    and for positively dependent p-values, as those of features that rise and fall together (Benjamini and Hochberg,
    JRSS B 57:1, 1995; Benjamini and Yekutieli, Annals of Statistics 29:4, 2001).
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(scaled)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def holm(p: Array) -> Array:
    """Return adjusted p-values (k,): rejecting those <= a makes one false rejection or more with probability <= a.

    Whatever their dependence (Holm, Scandinavian Journal of Statistics 6:2, 1979).
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(scaled)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted
