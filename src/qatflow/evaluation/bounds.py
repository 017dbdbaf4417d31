"""Between which bounds a difference of two models lies, from the same samples.

Bounds are one-sided, each at level `alpha`: the truth lies beyond one of them with probability alpha at most. SciPy is
imported where used, for it takes long.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from qatflow.artifacts import Array

Bounds = tuple[float, float]
"""Lowest and highest value that a figure may truly have."""
RESAMPLES = 999
FEW = 2000
"""Up to so many samples skewed errors are resampled; of more the mean is normal enough."""
HEAVY = 100
"""Of so many samples the level is halved: a sample shows too little of a heavy tail, and its bound is too sure."""
CHUNK = 2_000_000


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
    """Return bounds of the mean of values (n,), n >= 2, whose distribution may be skewed.

    Of few values by the studentized bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, 12.5;
    its error is O(1/n), Hall, Annals of Statistics 16:927, 1988), with a fixed seed, at a level that few samples
    lower (`HEAVY`, by benchmarks/release_statistics.py); of many by the normal distribution.
    """
    values = np.asarray(values, np.float64)
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
    if error == 0.0:
        return mean, mean
    if len(values) > FEW:
        reach = quantile(alpha) * error
        return mean - reach, mean + reach
    level = alpha * len(values) / (len(values) + HEAVY)
    low, high = np.quantile(_studentized(values), [level, 1 - level])
    return mean - float(high) * error, mean - float(low) * error


def _studentized(values: Array) -> Array:
    """Return (mean* - mean) / error* of `RESAMPLES` resamples."""
    rng, n = np.random.default_rng(0), len(values)
    found = []
    for size in _parts(RESAMPLES, max(1, CHUNK // n)):
        drawn = values[rng.integers(0, n, (size, n))]
        error = drawn.std(axis=1, ddof=1) / math.sqrt(n)
        gap = drawn.mean(axis=1) - values.mean()
        found.append(np.divide(gap, error, out=np.sign(gap) * 1e9, where=error > 0))
    return np.concatenate(found)


def _parts(count: int, size: int) -> Iterator[int]:
    """Yield parts of at most `size` that add up to `count`."""
    for start in range(0, count, size):
        yield min(size, count - start)


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
