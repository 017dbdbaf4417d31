from itertools import pairwise

import numpy as np
import pytest

from qatflow.quantization.cuts import answer_distance, closest, halvings, levels_of_usual, usual

VALUES = np.append(np.random.default_rng(0).normal(size=10_000), [1e6]).astype(np.float32)


def test_what_is_usual_leaves_out_rare_values_and_zeros():
    low, high = usual(np.append(VALUES, np.zeros(50_000)))

    assert -3 < low < -2
    assert 2 < high < 3
    assert usual(np.zeros(9)) == (0.0, 0.0)


def test_levels_of_usual_values():
    assert levels_of_usual(VALUES, (-4.0, 1e6)) < 0.01
    assert 150 < levels_of_usual(VALUES, (-4.0, 4.0)) < 180
    assert levels_of_usual(np.full(9, 3.0), (0.0, 3.0)) == float("inf")


def test_cuts_halve_the_reach_and_keep_the_core():
    cuts = halvings(VALUES, (-4.0, 1e6))

    assert cuts[0] == (-4.0, 5e5)
    assert all(wide[1] == 2 * narrow[1] for wide, narrow in pairwise(cuts))
    assert 1.2 < cuts[-1][1] < 2.6
    assert not halvings(np.linspace(0, 1, 99), (0.0, 1.0))
    assert all(low == 0.0 for low, _ in halvings(np.abs(VALUES), (0.0, 1e6)))


def test_a_range_is_cut_only_where_answers_gain():
    cuts = [(0.0, 8.0), (0.0, 4.0), (0.0, 2.0)]
    distances = {16.0: 0.5, 8.0: 0.2, 4.0: 0.1, 2.0: 0.4}

    assert closest((0.0, 16.0), cuts, lambda span: distances[span[1]]) == ((0.0, 4.0), 0.5, 0.1)
    assert closest((0.0, 16.0), cuts, lambda span: 0.3 + span[1] / 100)[0] == (0.0, 16.0)
    assert closest((0.0, 16.0), cuts, lambda span: span[1] / 10_000)[0] == (0.0, 16.0)


@pytest.mark.parametrize("task", ["classification", "regression", "anomaly"])
def test_no_sample_counts_for_more_than_one(task):
    reference = np.random.default_rng(0).dirichlet([0.3] * 4, 100).astype(np.float32)
    one_lost, infinite = reference.copy(), reference.copy()
    one_lost[7] = [1e9, 0, 0, 0]
    infinite[7] = np.nan

    assert answer_distance(task, reference, reference) == 0
    assert 0 < answer_distance(task, reference, reference[::-1]) <= 1
    assert answer_distance("regression", reference, one_lost) == pytest.approx(0.01, rel=1e-3)
    assert answer_distance(task, reference, infinite) == pytest.approx(0.01)
    assert answer_distance(task, infinite, reference) == 0


def test_one_sigmoid_is_no_distribution():
    reference = np.linspace(0, 1, 50, dtype=np.float32)[:, None]

    assert answer_distance("classification", reference, 1 - reference) > 0.3
