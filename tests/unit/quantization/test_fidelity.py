import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qatflow.quantization.fidelity import distributions, kl_divergence, noise_ratio, reconstruction_r2, task_score

logits = arrays(np.float32, (5, 4), elements=st.floats(-20, 20, width=32))


@given(logits, logits)
def test_kl_divergence_is_zero_for_equals_and_never_negative(a, b):
    assert kl_divergence(a, a) == 0
    assert kl_divergence(a, b) >= -1e-12
    assert np.allclose(distributions(a).sum(axis=1), 1)


def test_kl_divergence_of_known_distributions():
    p, q = np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]])

    assert kl_divergence(p, q) == pytest.approx(0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25))


def test_a_stored_zero_is_a_small_probability():
    assert np.isfinite(kl_divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])))


def test_logits_and_their_softmax_are_the_same_distribution():
    values = np.random.default_rng(0).normal(size=(6, 3))
    softmax = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)

    assert kl_divergence(values, softmax) == pytest.approx(0, abs=1e-12)


def test_noise_ratio():
    assert noise_ratio(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(0.25 / 25)
    assert noise_ratio(np.zeros(2), np.zeros(2)) == 0


def test_reconstruction_explains_all_or_nothing_of_the_variance():
    assert reconstruction_r2(np.zeros(100), 2.5) == 1
    assert reconstruction_r2(np.array([1.0, 3.0]), 2.0) == 0
    assert reconstruction_r2(np.zeros(4), 0.0) == 1


def test_each_task_has_its_score():
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    y = np.arange(4)

    assert task_score("classification", x, y, np.eye(4)[[0, 1, 2, 2]]) == 0.75
    assert task_score("regression", x, y[:, None].astype(float), y[:, None].astype(float)) == 1
    assert task_score("anomaly", x, np.zeros(4), x) == 1
