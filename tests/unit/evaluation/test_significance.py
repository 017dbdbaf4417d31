import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from qatflow.evaluation.significance import mcnemar, wilcoxon, wilson_interval


def flags(only_a, only_b, both=5, neither=3):
    a = [True] * only_a + [False] * only_b + [True] * both + [False] * neither
    b = [False] * only_a + [True] * only_b + [True] * both + [False] * neither
    return np.array(a), np.array(b)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (0, 6), (9, 2), (2, 9), (7, 7), (40, 61), (0, 300)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    expected = binomtest(only_a, only_a + only_b, 0.5).pvalue

    assert mcnemar(*flags(only_a, only_b)) == pytest.approx(expected, rel=1e-12)


def test_mcnemar_by_hand():
    assert mcnemar(*flags(0, 5)) == 2 / 2**5


def test_equal_models_are_not_different():
    assert mcnemar(*flags(0, 0)) == 1.0


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (10, 10), (342, 360), (1, 3)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_interval_is_scipys(successes, count, confidence):
    expected = binomtest(successes, count).proportion_ci(confidence, method="wilson")

    assert wilson_interval(successes, count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


class TestWilcoxon:
    def test_like_scipy(self):
        a, b = np.random.default_rng(0).random((2, 60))

        assert wilcoxon(a, b) == stats.wilcoxon(a - b).pvalue

    def test_the_same_errors_are_no_difference(self):
        assert wilcoxon(np.ones(5), np.ones(5)) == 1.0

    def test_one_that_is_always_a_little_better(self):
        errors = np.random.default_rng(0).random(100)

        assert wilcoxon(errors, errors + 0.01) < 1e-6
