"""Whether a difference between two models could be chance. SciPy is imported where used, for it takes long."""

import math

import numpy as np

from qatflow.artifacts import Array


def mcnemar(correct_a: Array, correct_b: Array) -> float:
    """Return the two-sided p-value that two models are right equally often, for the same samples, (n,) bool each.

    The exact form of McNemar's test (Psychometrika 12:153, 1947): of the samples that only one model gets right,
    the smaller part follows a binomial distribution with probability 1/2. Equal models give 1.
    """
    from scipy.special import bdtr

    only_a, only_b = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    return min(1.0, 2.0 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def wilson_interval(successes: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share, 0 to 1 (Wilson, JASA 22:209, 1927); sound for small counts and shares near 1."""
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    share, weight = successes / count, z * z / count
    middle = share + weight / 2
    margin = z * math.sqrt((share * (1 - share) + weight / 4) / count)
    return max(0.0, (middle - margin) / (1 + weight)), min(1.0, (middle + margin) / (1 + weight))


def wilcoxon(errors_a: Array, errors_b: Array) -> float:
    """Return the two-sided p-value that two models err equally, from errors (n,) on the same samples.

    Wilcoxon's signed-rank test (Biometrics Bulletin 1:80, 1945), which asks for no normal distribution; samples on
    which both err equally say nothing. Equal models give 1.
    """
    from scipy.stats import wilcoxon as signed_rank

    differences = errors_a - errors_b
    return float(signed_rank(differences).pvalue) if np.any(differences) else 1.0
