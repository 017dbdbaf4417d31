"""The mathematics of the drift statistics, against SciPy's and against closed forms."""

import sys

import numpy as np
import pytest
from scipy import stats

from qatflow.monitoring.bins import BINS, freeze, pool_rare
from qatflow.monitoring.kernel import bandwidth, rbf
from qatflow.monitoring.multiple import benjamini_hochberg, holm
from qatflow.monitoring.statistics.chi2 import distance_and_p as classes_p
from qatflow.monitoring.statistics.ks import distance_and_p as ks_p
from qatflow.monitoring.statistics.mmd import discrepancy_and_p
from qatflow.monitoring.statistics.psi import index_and_p, psi
from tests.unit.monitoring.fabricate import reference, window


def test_bins_hold_equal_shares_and_are_frozen():
    values = np.random.default_rng(0).normal(size=(5000, 2))
    bins = freeze(values)

    assert bins.counts[:, 1:-2].tolist() == [[500] * BINS] * 2
    assert bins.counts[:, [0, -2, -1]].sum() == 0
    assert bins.count(values + 100)[0].tolist() == [0] * (BINS + 1) + [5000, 0]
    assert bins.count(values - 100)[0, 0] == 5000


def test_missing_values_have_a_bin_of_their_own():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan], [4.0, np.nan]])
    bins = freeze(values)

    assert bins.counts[:, -1].tolist() == [1, 4]
    assert bins.counts.sum(axis=1).tolist() == [4, 4]
    assert bins.count(np.full((3, 2), np.nan))[:, -1].tolist() == [3, 3]


def test_a_feature_of_few_values_has_a_bin_for_each():
    bins = freeze(np.repeat([0.0, 1.0, 2.0], [600, 300, 100])[:, None])

    assert sorted(bins.counts[0][bins.counts[0] > 0].tolist()) == [100, 300, 600]


@pytest.mark.parametrize("counts", [([40, 30, 30], [4, 3, 3]), ([100, 1, 1, 1], [20, 0, 0, 0]), ([5, 5], [0, 0])])
def test_pooling_loses_no_value(counts: tuple[list[int], list[int]]):
    old, new = (np.array([part]) for part in counts)
    pooled = pool_rare(old, new)

    assert [part.sum() for part in pooled] == [old.sum(), new.sum()]
    share = new.sum() / (old.sum() + new.sum())
    both = pooled[0] + pooled[1]
    assert (both[both > 0] * share >= 5).all() or np.count_nonzero(both) <= 1 or not new.sum()


def test_psi_is_the_textbook_sum_but_for_half_a_value_in_each_bin():
    old, new = np.array([[400, 300, 200, 100]]), np.array([[100, 200, 300, 400]])
    a, b = new[0] / 1000, old[0] / 1000

    (value,), (p,) = index_and_p(old, new)

    assert value == pytest.approx(((a - b) * np.log(a / b)).sum(), rel=0.02)
    assert p < 1e-12


def test_the_p_value_of_psi_is_that_of_pearsons_chi_squared_where_samples_are_large():
    rng = np.random.default_rng(5)
    old, new = rng.multinomial(100_000, [0.25] * 4), rng.multinomial(50_000, [0.252, 0.25, 0.25, 0.248])

    _, (p,) = index_and_p(old[None], new[None])

    assert p == pytest.approx(stats.chi2_contingency([old, new]).pvalue, rel=0.02)


def test_both_sample_sizes_count():
    shares = np.array([[0.2, 0.3, 0.5]])
    others = np.array([[0.26, 0.3, 0.44]])

    small = index_and_p((shares * 200).astype(int), (others * 200).astype(int))[1]
    large = index_and_p((shares * 20_000).astype(int), (others * 200).astype(int))[1]

    assert large < small


def test_values_outside_of_the_reference_are_drift():
    bins = freeze(np.random.default_rng(0).uniform(size=(1000, 1)))
    outside = np.full((60, 1), 2.0)

    assert index_and_p(bins.counts, bins.count(outside))[1][0] < 1e-12


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_ks_is_scipys_where_there_are_no_ties(shift: float):
    rng = np.random.default_rng(1)
    old, new = rng.normal(size=700), rng.normal(shift, 1, 200)

    distance, p = ks_p(old, new, np.random.default_rng(0))
    expected = stats.ks_2samp(old, new, method="exact")

    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=0.15, abs=0.01)


def test_ks_of_scores_that_are_nearly_all_the_same_is_not_conservative():
    rng = np.random.default_rng(4)
    draw = [np.where(rng.random(900) < 0.9, 255, 250) for _ in range(600)]

    p = np.array([ks_p(both[:700], both[700:], rng)[1] for both in draw])
    untied = np.array([stats.ks_2samp(both[:700], both[700:]).pvalue for both in draw])

    assert 0.05 <= (p <= 0.1).mean() <= 0.15
    assert (untied <= 0.1).mean() < 0.03


def test_chi2_is_scipys():
    old, new = np.array([50, 60, 70, 80]), np.array([30, 20, 25, 45])

    effect, p = classes_p(old, new)

    assert p == pytest.approx(stats.chi2_contingency([old, new], correction=False).pvalue)
    assert effect == pytest.approx(stats.contingency.association([old, new], method="cramer"))


def test_a_class_that_never_came_up_before_is_drift():
    assert classes_p(np.array([100, 100, 0]), np.array([10, 10, 80]))[1] < 1e-12


def test_the_kernel_is_one_on_itself_and_falls_with_the_distance():
    a = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)

    assert rbf(a, a, 0.01)[0].tolist() == pytest.approx([1.0, np.exp(-0.25)])
    assert bandwidth(a) == pytest.approx(1 / 25)
    assert bandwidth(np.ones((5, 2), np.float32)) == 1.0
    assert bandwidth(np.ones((1, 2), np.float32)) == 1.0


def test_mmd_is_the_textbook_sum_without_the_diagonal():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)).astype(np.float32), rng.normal(1, 1, (10, 3)).astype(np.float32)
    kernel = rbf(np.concatenate([x, y]), np.concatenate([x, y]), 0.2)
    biased = kernel[:20, :20].mean() + kernel[20:, 20:].mean() - 2 * kernel[:20, 20:].mean()

    value, p = discrepancy_and_p(kernel, 10, rng)

    assert value == pytest.approx(biased - 1 / 20 - 1 / 10, abs=1e-5)
    assert p < 0.01


def test_permutations_are_as_exact_with_an_early_end_as_with_all_of_them(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(40, 2)).astype(np.float32)
    kernel = rbf(x, x, 0.3)
    early = discrepancy_and_p(kernel, 15, np.random.default_rng(0))[1]
    monkeypatch.setattr(sys.modules[discrepancy_and_p.__module__], "ENOUGH", 10**9)
    full = discrepancy_and_p(kernel, 15, np.random.default_rng(0))[1]

    assert early == pytest.approx(full, rel=0.6)
    assert full * 2000 == pytest.approx(round(full * 2000))


def test_benjamini_hochberg_and_holm_are_scipys_and_the_textbooks():
    p = np.array([0.01, 0.04, 0.03, 0.5])

    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p, method="bh"))
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert benjamini_hochberg(np.array([0.2])) == holm(np.array([0.2])) == 0.2


def test_psi_names_the_feature_that_moved():
    served = window()
    served.features[:, 7] += 3

    outcome = psi(reference(), served)

    assert [part.name for part in outcome.parts if part.adjusted_p < 0.01] == [reference().about.features[7]]
    assert outcome.p == min(part.adjusted_p for part in outcome.parts)
