"""How far two models' reasons differ: rank correlation and overlap of attributions, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array

RESAMPLES = 1000
CONFIDENCE = 0.95
DIGITS = 6


def rank_correlation(a: Array, b: Array) -> float:
    """Return Spearman's rank correlation of attributions (players,), -1 to 1; ties have their mean rank.

    Where one model finds nothing to rank, there is no correlation: 0, or 1 if the other finds the same.
    """
    from scipy.stats import rankdata  # costs half a second to import

    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (a, b)]
    norm = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    if norm == 0.0:
        return float(np.array_equal(a, b))
    return float(np.clip(ranks[0] @ ranks[1] / norm, -1.0, 1.0))


def top_overlap(a: Array, b: Array, top: int) -> float:
    """Return the share that two models have in common of their strongest players, 0 to 1.

    Args:
        a: Attributions, (players,).
        b: Another model's.
        top: Number of the strongest; at most half of the players, where a share still means something.
    """
    count = max(1, min(top, len(a) // 2))
    strongest = [set(np.argsort(-np.abs(values), kind="stable")[:count].tolist()) for values in (a, b)]
    return len(strongest[0] & strongest[1]) / count


def mean_with_interval(values: Sequence[float] | Array, seed: int) -> dict[str, Any]:
    """Return `mean`, `interval` and `samples` of figures of independent samples.

    The interval is the percentile bootstrap's at 95 % (Efron, Annals of Statistics 7:1, 1979); None for one sample.
    """
    found = np.asarray(values, np.float64)
    interval = None
    if len(found) > 1:
        drawn = np.random.default_rng(seed).integers(0, len(found), (RESAMPLES, len(found)))
        tails = (1 - CONFIDENCE) / 2
        interval = [rounded(bound) for bound in np.quantile(found[drawn].mean(axis=1), [tails, 1 - tails])]
    return {"mean": rounded(found.mean()), "interval": interval, "samples": len(found)}


def compare(ours: Sequence[Array], theirs: Sequence[Array], top: int) -> npt.NDArray[np.float64]:
    """Return rank correlation and overlap of each explanation, (n, 2), from attributions (players,) of two models."""
    pairs = zip(ours, theirs, strict=True)
    return np.array([(rank_correlation(a, b), top_overlap(a, b, top)) for a, b in pairs]).reshape(-1, 2)


def summarize(compared: Array, groups: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the drift over all and in each group of explanations; `compared` is as `compare` gives it."""
    names = np.array(groups)
    per_class: Mapping[str, Any] = {
        name: _figures(compared[names == name], seed) for name in dict.fromkeys(sorted(groups))
    }
    return {**_figures(compared, seed), "per_class": per_class}


def rounded(value: float) -> float:
    """Return a figure as it is kept: more digits are noise."""
    return round(float(value), DIGITS) + 0.0


def _figures(compared: Array, seed: int) -> dict[str, Any]:
    columns = zip(("rank_correlation", "top_overlap"), compared.T, strict=True)
    return {name: mean_with_interval(column, seed) for name, column in columns}
