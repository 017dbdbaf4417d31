import numpy as np

from qatflow.ensemble.combine import COMBINERS

VOTE = COMBINERS["vote"]
THIRD = [np.float32(1 / 3)] * 3


def member(*rows):
    return np.array(rows, np.float32)


def test_weights_by_hand():
    outputs = np.stack([member([1.0, 0.0]), member([0.0, 1.0])])

    combined = COMBINERS["weighted"].combine(outputs, [np.float32(0.75), np.float32(0.25)])

    assert combined.tolist() == [[0.75, 0.25]]


def test_the_majority_wins_against_one_that_is_sure():
    outputs = np.stack([member([0.51, 0.49]), member([0.51, 0.49]), member([0.0, 1.0])])

    assert COMBINERS["mean"].combine(outputs, THIRD).argmax() == 1
    assert VOTE.combine(outputs, THIRD).argmax() == 0


def test_among_equals_the_higher_mean_probability_wins():
    outputs = np.stack([member([0.6, 0.4, 0.0]), member([0.0, 0.9, 0.1]), member([0.05, 0.0, 0.95])])

    assert VOTE.combine(outputs, THIRD).argmax() == 1


def test_votes_and_mean_make_the_score():
    outputs = np.stack([member([1.0, 0.0]), member([1.0, 0.0]), member([0.0, 1.0])])

    np.testing.assert_allclose(VOTE.combine(outputs, THIRD), [[(2 + 2 / 3) / 4, (1 + 1 / 3) / 4]], atol=1e-6)
