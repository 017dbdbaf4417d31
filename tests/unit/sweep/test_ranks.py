import math

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from qatflow.sweep.ranks import critical_difference, friedman, rank

DEMSAR_TABLE_5 = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
"""Ways compared -> q at 0.05, as printed by Demšar, JMLR 7, 2006."""


@pytest.mark.parametrize(("ways", "q"), DEMSAR_TABLE_5.items())
def test_the_critical_difference_has_the_quantiles_of_demsars_table(ways, q):
    wanted = q * math.sqrt(ways * (ways + 1) / (6 * 14))
    assert critical_difference(ways, 14) == pytest.approx(wanted, rel=1e-3)


def test_the_critical_difference_of_demsars_example():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)


def test_ranks_by_hand():
    found = rank([(0.9, 0.8, 0.7), (0.9, 0.9, 0.1)])  # ranks 1, 2, 3 and 1.5, 1.5, 3
    assert found.means == (1.25, 1.75, 3.0)
    # Sums 2.5, 3.5, 6 about 4: 2.25 + 0.25 + 4 = 6.5. Squares 14 + 13.5, less 2 * 3 * 16 / 4 = 24: 3.5. 2 * 6.5 / 3.5.
    assert found.friedman_p == pytest.approx(math.exp(-(2 * 6.5 / 3.5) / 2))  # two degrees of freedom


@pytest.mark.parametrize("seed", range(3))
def test_friedmans_p_is_scipys_with_and_without_ties(seed):
    scores = np.random.default_rng(seed).integers(0, 5, (7, 4)).astype(float)
    assert rank(scores).friedman_p == pytest.approx(friedmanchisquare(*scores.T).pvalue)


def test_ties_in_all_blocks_say_nothing():
    found = rank([(1.0, 1.0, 1.0)] * 3)
    assert (found.means, found.friedman_p) == ((2.0, 2.0, 2.0), 1.0)
    assert friedman(np.full((2, 2), 1.5)) == 1.0


def test_intervals_stay_within_the_ranks():
    found = rank([(0.9, 0.8), (0.7, 0.6)])
    assert found.interval(0) == (1.0, min(2.0, 1.0 + found.margin))
    assert found.interval(1) == (max(1.0, 2.0 - found.margin), 2.0)


def test_a_failure_ranks_last():
    assert rank([(float("-inf"), 0.1, 0.2)]).means == (3.0, 2.0, 1.0)
