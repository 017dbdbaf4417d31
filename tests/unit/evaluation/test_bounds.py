"""Bounds of paired differences, against published values, other formulas and their own promise."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from qatflow.evaluation.bounds import auc_difference, mean_bounds, quantile, share_bounds, tango_z


def test_a_quantile_is_that_of_the_normal_distribution():
    assert quantile(0.05) == pytest.approx(norm.isf(0.05), rel=1e-12)


def test_share_bounds_are_tangos_published_interval():
    """Bentur et al. 2009 in Fagerland, Lydersen and Laake, "Recommended tests and confidence intervals for paired
    binomial proportions", Statistics in Medicine 33:2850, 2014: 1 against 7 of 21 give -0.517 to -0.026."""
    assert share_bounds(1, 7, 21, 0.025) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("count", [20, 100, 3000])
def test_equal_answers_still_leave_room_for_a_difference(count: int):
    z = norm.isf(0.05)

    assert share_bounds(0, 0, count, 0.05) == pytest.approx((-(z**2) / (count + z**2), z**2 / (count + z**2)), abs=1e-9)


def test_without_a_difference_the_statistic_is_mcnemars():
    assert tango_z(9, 4, 100, 0.0) == pytest.approx(5 / 13**0.5)


def test_share_bounds_lie_where_the_statistic_is_the_quantile_and_swap_with_the_models():
    low, high = share_bounds(12, 5, 200, 0.05)

    assert tango_z(12, 5, 200, low) == pytest.approx(quantile(0.05), abs=1e-6)
    assert share_bounds(5, 12, 200, 0.05) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize("disagreeing", [0.01, 0.05, 0.2])
def test_the_lower_share_bound_is_too_high_in_its_share_of_cases_only(disagreeing: float):
    """Whole sets of 300 samples, with a true difference at a margin of 0.02 (or all that there can be)."""
    rng, true = np.random.default_rng(3), -min(0.02, disagreeing)
    only_b = (disagreeing - true) / 2
    drawn = rng.multinomial(300, [disagreeing - only_b, only_b, 1 - disagreeing], 4000)
    pairs, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)

    wrong = sum(n for (a, b), n in zip(pairs, counts, strict=True) if share_bounds(int(a), int(b), 300, 0.05)[0] > true)

    assert wrong / 4000 < 0.06


HEAVY = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "student": lambda rng, shape: rng.standard_t(3, shape) / 3**0.5,
    "laplace": lambda rng, shape: rng.laplace(size=shape) / 2**0.5,
}


@pytest.mark.parametrize("kind", HEAVY)
@pytest.mark.parametrize("samples", [50, 100, 1000])
def test_a_regression_that_loses_the_margin_passes_in_its_share_of_cases_only(kind: str, samples: int):
    """2,000 pairs of models with shared residuals, R² 0.8 and 0.78; the standard error of the share is 0.005."""
    rng = np.random.default_rng(5)
    shared = HEAVY[kind](rng, (2000, samples))
    a, b = (0.95 * shared + 0.3 * rng.normal(size=shared.shape) for _ in range(2))
    unit = 0.95**2 + 0.3**2  # the variance of both
    gains = (0.2 * a**2 - 0.22 * b**2) / unit

    passed = np.mean([mean_bounds(row, 0.05)[0] > -0.02 for row in gains])

    assert passed < 0.06


def test_mean_bounds_of_log_normal_errors_hold_where_resampling_let_a_tenth_pass():
    rng = np.random.default_rng(7)
    errors = 0.2 * rng.lognormal(-0.5, 1.0, (2000, 100))
    gains = errors - 1.1 * errors * rng.lognormal(-0.045, 0.3, errors.shape)
    student = gains.mean(axis=1) - 1.66 * gains.std(axis=1, ddof=1) / 10

    assert np.mean(student > -0.02) > 0.08
    assert np.mean([mean_bounds(row, 0.05)[0] > -0.02 for row in gains]) < 0.06


def test_mean_bounds_of_many_are_the_normal_ones_and_mirror_each_other():
    values = np.random.default_rng(1).normal(size=100_000)
    error = values.std(ddof=1) / len(values) ** 0.5

    low, high = mean_bounds(values, 0.05)

    assert low == pytest.approx(values.mean() - norm.isf(0.05) * error, abs=0.02 * error)
    assert mean_bounds(-values, 0.05) == pytest.approx((-high, -low))
    assert mean_bounds(np.full(5, 0.1), 0.05) == (0.1, 0.1)


def test_the_difference_of_two_areas_is_sklearns_and_its_error_that_of_resampling():
    rng = np.random.default_rng(2)
    truth = (rng.random(400) < 0.3).astype(int)
    a = truth + rng.normal(size=400)
    b = a + 0.5 * rng.normal(size=400)

    estimate, error = auc_difference(truth, a, b)

    assert estimate == pytest.approx(roc_auc_score(truth, a) - roc_auc_score(truth, b), abs=1e-12)
    picks = rng.integers(0, 400, (300, 400))
    resampled = [roc_auc_score(truth[p], a[p]) - roc_auc_score(truth[p], b[p]) for p in picks]
    assert error == pytest.approx(np.std(resampled), rel=0.2)


def test_ties_count_half():
    truth, flat = np.array([1, 1, 0, 0]), np.zeros(4)

    assert auc_difference(truth, np.array([1.0, 1.0, 0.0, 0.0]), flat)[0] == 0.5
