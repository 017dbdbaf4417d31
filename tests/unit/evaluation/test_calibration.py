import numpy as np
import pytest

from qatflow.evaluation.calibration import are_probabilities, expected_calibration_error, probabilities, reliability


def sure(confidence, count):
    """Two classes; the first is always the likeliest."""
    return np.tile([confidence, 1 - confidence], (count, 1)).astype(np.float32)


def test_by_hand():
    """Eight of ten are right with confidence 0.9, six of ten with 0.6: 0.5 * 0.1 + 0.5 * 0."""
    outputs = np.concatenate([sure(0.9, 10), sure(0.6, 10)])
    y = np.array([0] * 8 + [1] * 2 + [0] * 6 + [1] * 4)

    assert expected_calibration_error(y, outputs) == pytest.approx(0.05, abs=1e-6)


def test_always_right_and_sure_is_perfect():
    assert expected_calibration_error(np.zeros(5, int), sure(1.0, 5)) == 0


def test_always_wrong_and_sure_is_the_worst():
    assert expected_calibration_error(np.ones(5, int), sure(1.0, 5)) == 1


def test_of_a_calibrated_model_it_vanishes_with_the_number_of_samples():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 100_000)
    y = (rng.random(100_000) > confidence).astype(int)

    assert expected_calibration_error(y, np.stack([confidence, 1 - confidence], axis=1)) < 0.01


def test_the_bins_hold_every_sample_once_and_their_own_confidence():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(4), 500)

    bins = reliability(rng.integers(0, 4, 500), outputs)

    assert sum(found.count for found in bins) == 500
    assert all(found.low < found.confidence <= found.high for found in bins if found.count)
    assert [found.accuracy for found in bins if not found.count] == [None] * sum(not found.count for found in bins)


def test_edges_belong_to_the_bin_below():
    bins = reliability(np.zeros(2, int), np.array([[0.75, 0.25], [1.0, 0.0]]), bins=4)

    assert [found.count for found in bins] == [0, 0, 1, 1]


def test_logits_are_taken_as_such():
    logits = np.array([[2.0, 0.0], [-1.0, 3.0]])

    assert not are_probabilities(logits)
    assert probabilities(logits) == pytest.approx(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))


def test_int8_probabilities_miss_a_sum_of_one_by_little():
    assert are_probabilities(np.array([[0.99609375, 0.0, 0.0]]))
