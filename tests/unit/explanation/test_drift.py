"""Figures of drift by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from qatflow.explanation.drift import compare, mean_with_interval, rank_correlation, summarize, top_overlap


def test_the_rank_correlation_is_spearmans_also_with_ties():
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = random.integers(0, 6, (2, 12)).astype(float)
        assert rank_correlation(a, b) == pytest.approx(float(spearmanr(a, b).statistic), abs=1e-12)


def test_without_anything_to_rank_only_the_same_is_alike():
    flat, ranked = np.zeros(4), np.arange(4.0)

    assert (rank_correlation(flat, flat), rank_correlation(flat, ranked), rank_correlation(ranked, flat)) == (1, 0, 0)


def test_the_overlap_counts_the_strongest_whatever_their_sign():
    a, b = np.array([5.0, -4.0, 3.0, 0.1, 0.2, 0.3]), np.array([-5.0, 0.0, 3.0, 4.0, 0.2, 0.3])

    assert top_overlap(a, b, 2) == 0.5
    assert top_overlap(a, b, 3) == pytest.approx(2 / 3)
    assert top_overlap(a, b, 100) == top_overlap(a, b, 3), "of half of the players at most"
    assert top_overlap(a[:1], b[:1], 5) == 1.0


def test_the_interval_holds_the_mean_and_narrows_with_samples():
    random = np.random.default_rng(0)
    few, many = (mean_with_interval(random.normal(0.8, 0.1, count), 0) for count in (10, 1000))

    for found in (few, many):
        assert found["interval"][0] < found["mean"] < found["interval"][1]
    assert many["interval"][1] - many["interval"][0] == pytest.approx(4 * 0.1 / 1000**0.5, rel=0.15)
    assert few == mean_with_interval(np.random.default_rng(0).normal(0.8, 0.1, 10), 0)
    assert mean_with_interval([0.5], 0) == {"mean": 0.5, "interval": None, "samples": 1}


def test_classes_are_summarized_apart():
    same, turned = np.arange(4.0), -np.arange(4.0)

    found = summarize(compare([same, same, same], [same, turned, same], 2), ["b", "a", "b"], 0)

    assert found["rank_correlation"]["mean"] == pytest.approx(1 / 3, abs=1e-6)
    assert list(found["per_class"]) == ["a", "b"]
    assert found["per_class"]["a"]["rank_correlation"] == {"mean": -1.0, "interval": None, "samples": 1}
    assert found["per_class"]["b"]["rank_correlation"]["mean"] == 1.0
    assert found["per_class"]["a"]["top_overlap"]["mean"] == 1.0
