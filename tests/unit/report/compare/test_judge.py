from dataclasses import replace

import numpy as np
import pytest

from qatflow.errors import ModelError
from qatflow.evaluation.significance import wilson_interval
from qatflow.report.compare.judge import check_alike, newcombe, noise_of_latency, noise_of_scores
from qatflow.report.compare.side import Model


def judged(sides, a, b):
    return noise_of_scores(*sides, a, b)


def model(score=0.9, **known):
    return Model("m", str(known.pop("sha256", score)), score, 1000, **known)


def shares(right, count=100):
    return {"score": right / count, "interval": wilson_interval(right, count), "samples": count}


def test_the_same_flatbuffer_is_no_difference(sides):
    assert judged(sides, model(sha256="x"), model(0.5, sha256="x")).real is False


def test_answers_on_the_same_samples_are_told_apart_by_mcnemar(sides):
    right = np.arange(200) < 180
    better = np.arange(200) < 192
    found = judged(sides, model(correct=right), model(0.96, correct=better))
    assert found.real is True
    assert found.reason == "McNemar on the same 200 samples: p < 0.001"
    assert judged(sides, model(correct=right), model(0.91, correct=np.arange(200) < 182)).real is False


def test_answers_on_other_data_are_not_paired(sides):
    other = replace(sides[1], data_sha256="0" * 64)
    found = noise_of_scores(
        sides[0],
        other,
        model(correct=np.ones(3, bool), **shares(90)),
        model(correct=np.ones(3, bool), **shares(98), sha256="b"),
    )
    assert "other data on each side" in found.reason


@pytest.mark.parametrize(("right", "real"), [(91, False), (99, True), (80, True)])
def test_without_answers_the_interval_of_the_difference_decides(sides, right, real):
    assert judged(sides, model(**shares(92)), model(**shares(right), sha256="b")).real is real


def test_without_intervals_nothing_is_tested(sides):
    assert judged(sides, model(), model(0.8)).real is None


def test_the_interval_is_newcombes():
    """Table II of the paper, method 10, contrast (a): 56/70 - 48/80 is 0.0524 to 0.3339."""
    ours = [(right / count, *wilson_interval(right, count)) for right, count in ((48, 80), (56, 70))]
    assert newcombe(*ours) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(
    ("one", "other", "real"),
    [((10.0, 15.0), (12.0, 13.0), False), ((10.0, 11.0), (12.0, 13.0), True), ((10.0, None), (12.0, None), None)],
)
def test_a_median_inside_the_others_spread_is_noise(one, other, real):
    times = model(latency_us=one), model(latency_us=other)
    assert noise_of_latency(*times).real is noise_of_latency(*times[::-1]).real is real


def test_unlike_sides_are_refused(sides):
    a, b = sides
    check_alike(a, b)
    with pytest.raises(ModelError, match="classification is another task than regression"):
        check_alike(a, replace(b, task="regression"))
    with pytest.raises(ModelError, match=r"other classes apart, 10 \(0, 1, 2, 3, …\) and 2 \(cat, dog\)"):
        check_alike(a, replace(b, classes=("cat", "dog")))
