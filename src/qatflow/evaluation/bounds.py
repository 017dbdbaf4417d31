"""Between which bounds a difference of two models lies, from the same samples.

Bounds are one-sided, each at level `alpha`: the truth lies beyond one of them with probability alpha at most. SciPy is
imported where used, for it takes long.
"""

import math
from collections.abc import Callable

import numpy as np

from qatflow.artifacts import Array

Bounds = tuple[float, float]
"""Lowest and highest value that a figure may truly have."""


def quantile(alpha: float) -> float:
    """Return how many standard errors a one-sided bound at level `alpha` lies from its estimate."""
    from scipy.special import ndtri

    return float(-ndtri(alpha))


def share_bounds(only_a: int, only_b: int, count: int, alpha: float) -> Bounds:
    """Return bounds of the difference of two shares of right answers, a's less b's, on the same `count` samples.

    Tango's score interval (Statistics in Medicine 17:891, 1998), which keeps its level where few samples or none tell
    the models apart: equal answers on all n give +-z² / (n + z²).

    Args:
        only_a: Samples that only model a gets right.
        only_b: Samples that only model b gets right.
        count: All samples, at least 1.
        alpha: Level of each bound.
    """
    z = quantile(alpha)
    low = _crossing(lambda d: tango_z(only_a, only_b, count, d) - z)
    return low, _crossing(lambda d: tango_z(only_a, only_b, count, d) + z)


def tango_z(only_a: int, only_b: int, count: int, difference: float) -> float:
    """Return Tango's score statistic of the hypothesis that the true difference is `difference`, in (-1, 1).

    Its variance is that of the likeliest shares under the hypothesis. Falls with `difference`; at 0 it is McNemar's z.
    """
    wide = 2 * count
    b = -only_a - only_b + (wide - only_a + only_b) * difference
    c = -only_b * difference * (1 - difference)
    share_b = (math.sqrt(max(b * b - 4 * wide * c, 0.0)) - b) / (2 * wide)
    variance = count * (2 * share_b + difference * (1 - difference))
    gap = only_a - only_b - count * difference
    if variance <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(variance)


def _crossing(falling: Callable[[float], float]) -> float:
    """Return where a falling function on (-1, 1) is 0."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def mean_bounds(values: Array, alpha: float) -> Bounds:
    """Return bounds of the mean of values (n,), n >= 2, whose distribution may be skewed and heavy-tailed.

    Each is Student's bound of n + 1 values: these, and the end of their range on its side, estimated by twice the
    outermost less the next one (Robson and Whitlock, Biometrika 51:33, 1964). For a bound of few values is too sure:
    the tail that they have not met is in neither their mean nor their spread. Gaffke (Mathematical Methods of
    Statistics 14:451, 2005) adds the end of a range that is known; Learned-Miller and Thomas (arXiv 1905.06208, 2019)
    find that such bounds hold. Bootstrap and permutation see only what is there, and let more through: see
    benchmarks/release_statistics.py.
    """
    values = np.asarray(values, np.float64)
    if values.min() == values.max():
        return float(values[0]), float(values[0])
    below, above = np.append(values, _end(values)), np.append(values, -_end(-values))
    return _student(below, alpha)[0], _student(above, alpha)[1]


def _end(values: Array) -> float:
    """Return where the range of values (n,) may end below."""
    least, next_one = np.partition(values, 1)[:2]
    return float(2 * least - next_one)


def _student(values: Array, alpha: float) -> Bounds:
    """Return Student's bounds of the mean."""
    from scipy.special import stdtrit

    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    reach = float(-stdtrit(len(values) - 1, alpha)) * error
    return mean - reach, mean + reach


def auc_difference(truth: Array, a: Array, b: Array) -> tuple[float, float]:
    """Return the difference of two areas under ROC curves on the same samples, a's less b's, and its standard error.

    DeLong, DeLong and Clarke-Pearson (Biometrics 44:837, 1988), by ranks (Sun and Xu, IEEE Signal Processing Letters
    21:1389, 2014).

    Args:
        truth: 1 where a sample is an anomaly, else 0, (n,); two of each kind at least.
        a: Scores of model a, (n,); high means anomalous.
        b: Scores of model b, (n,).
    """
    (hits_a, misses_a), (hits_b, misses_b) = (_placements(truth == 1, scores) for scores in (a, b))
    hits, misses = hits_a - hits_b, misses_a - misses_b
    variance = hits.var(ddof=1) / len(hits) + misses.var(ddof=1) / len(misses)
    return float(hits.mean()), math.sqrt(float(variance))


def _placements(positive: Array, scores: Array) -> tuple[Array, Array]:
    """Return of each positive the share of negatives below it, and of each negative the share of positives above it."""
    from scipy.stats import rankdata

    high, low = scores[positive], scores[~positive]
    ranks = rankdata(np.concatenate([high, low]))
    above = (ranks[: len(high)] - rankdata(high)) / len(low)
    return above, 1.0 - (ranks[len(high) :] - rankdata(low)) / len(high)
