import numpy as np
import pytest

from qatflow.ensemble.loss import loss
from qatflow.ensemble.weights import equal_weights, fit_weights


def noisy(y, spread, seed):
    return (y + np.random.default_rng(seed).normal(0, spread, y.shape)).astype(np.float32)


def mixture(shares, seed=0, count=20_000, classes=4):
    """Classes drawn from a known mixture of three models' probabilities."""
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet(np.full(classes, 0.5), (3, count)).astype(np.float32)
    chances = np.tensordot(shares, outputs, 1)
    y = (chances.cumsum(axis=1) < rng.random((count, 1)) * chances.sum(axis=1, keepdims=True)).sum(axis=1)
    return y, outputs


class TestClassification:
    def test_the_shares_of_a_mixture_are_found(self):
        y, outputs = mixture(np.array([0.6, 0.3, 0.1]))

        assert fit_weights("classification", y, outputs) == pytest.approx([0.6, 0.3, 0.1], abs=0.03)

    def test_no_other_weights_have_a_lower_loss(self):
        y, outputs = mixture(np.array([0.5, 0.5, 0.0]), count=500)
        weights = fit_weights("classification", y, outputs)

        best = loss("classification", y, np.tensordot(weights, outputs, 1))

        for other in np.random.default_rng(1).dirichlet(np.ones(3), 300):
            assert best <= loss("classification", y, np.tensordot(other, outputs, 1)) + 1e-5


class TestRegression:
    def test_inverse_variances(self):
        """Of unbiased independent errors the best weights are as 1 / variance."""
        y = np.random.default_rng(0).normal(size=(20_000, 1))
        outputs = np.stack([noisy(y, 1.0, 1), noisy(y, 2.0, 2)])

        assert fit_weights("regression", y, outputs) == pytest.approx([0.8, 0.2], abs=0.02)

    def test_units_do_not_matter(self):
        y = np.random.default_rng(0).normal(size=(500, 2))
        outputs = np.stack([noisy(y, 1.0, 1), noisy(y, 1.3, 2), noisy(y, 1.1, 3)])

        small, large = (fit_weights("regression", y * unit, outputs * unit) for unit in (1e-6, 1e6))

        assert small == pytest.approx(large, abs=2e-3)

    def test_a_useless_member_gets_nothing(self):
        y = np.random.default_rng(0).normal(size=(500, 1))

        weights = fit_weights("regression", y, np.stack([y + 0.01, noisy(y, 9.0, 1)]))

        assert weights[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("members", [2, 3, 7])
def test_weights_are_not_negative_and_sum_to_one(members):
    y = np.random.default_rng(members).normal(size=(50, 3))

    weights = fit_weights("regression", y, np.stack([noisy(y, 1 + seed, seed) for seed in range(members)]))

    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)


def test_equal_members_get_equal_weights():
    y = np.random.default_rng(0).normal(size=(50, 1))

    assert fit_weights("regression", y, np.stack([noisy(y, 1, 1)] * 2)) == pytest.approx(equal_weights(2))


def test_perfect_members_keep_equal_weights():
    y = np.ones((5, 1))

    assert fit_weights("regression", y, np.stack([y, y]).astype(np.float32)) == pytest.approx([0.5, 0.5])
