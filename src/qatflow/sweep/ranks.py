"""Ranks of several ways over blocks in which each was tried, and how sure the order is. Pure mathematics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ranks:
    """Mean ranks, 1 is best.

    Attributes:
        means: One a way.
        margin: Half of Nemenyi's critical difference: ways whose intervals of mean ± margin do not overlap differ.
        friedman_p: Probability of ranks as different as these if all ways are alike; 1 if all blocks are ties.
        blocks: How many there were.
    """

    means: tuple[float, ...]
    margin: float
    friedman_p: float
    blocks: int

    def interval(self, index: int) -> tuple[float, float]:
        """Return the interval of a way, within 1 and the number of ways."""
        mean = self.means[index]
        return max(1.0, mean - self.margin), min(float(len(self.means)), mean + self.margin)


def rank(scores: Sequence[Sequence[float]]) -> Ranks:
    """Rank ways within each block and average over the blocks, as Demšar ("Statistical Comparisons of Classifiers over
    Multiple Data Sets", JMLR 7, 2006) advises.

    The test is Friedman's (JASA 32:675, 1937), corrected for ties; the critical difference is Nemenyi's (1963),
    q sqrt(k (k + 1) / (6 n)) with q the studentized range's quantile over sqrt(2).

    Args:
        scores: (n, k): a row a block, a column a way; n >= 1, k >= 2. Higher is better, -inf is a failure.
    """
    ranked = _ranks(np.asarray(scores, np.float64))
    blocks, ways = ranked.shape
    margin = critical_difference(ways, blocks) / 2
    return Ranks(tuple(ranked.mean(axis=0).tolist()), margin, friedman(ranked), blocks)


def critical_difference(ways: int, blocks: int) -> float:
    """Return the difference of mean ranks from which on two of `ways` differ, at `CONFIDENCE` for all pairs."""
    from scipy.stats import studentized_range  # costs half a second to import

    quantile = float(studentized_range.ppf(CONFIDENCE, ways, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(ways * (ways + 1) / (6 * blocks))


def friedman(ranks: Array) -> float:
    """Return the p-value of Friedman's test from ranks (n, k) float64: chi-square with k - 1 degrees of freedom."""
    from scipy.special import chdtrc

    blocks, ways = ranks.shape
    spread = float(((ranks.sum(axis=0) - blocks * (ways + 1) / 2) ** 2).sum())
    scale = float((ranks**2).sum()) - blocks * ways * (ways + 1) ** 2 / 4
    return float(chdtrc(ways - 1, (ways - 1) * spread / scale)) if scale > 0 else 1.0


def _ranks(scores: Array) -> Array:
    """Return the ranks within each row, ties share the mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(-scores, axis=1), np.float64)
