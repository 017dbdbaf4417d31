"""The accuracy-drop gate at its bound."""

from qatflow.release.gates.accuracy_drop import AccuracyDrop
from tests.unit.release.fabricate import candidate, changed, context


def judge(score: float):
    judged = changed(candidate(), score=score, float={"score": 0.9, "size_bytes": 1})
    return AccuracyDrop()(judged, context(judged), {"max_drop": 0.02})


def test_a_drop_of_exactly_the_bound_passes_although_floats_say_more():
    assert 0.9 - 0.88 > 0.02
    assert judge(0.88).passed


def test_more_than_the_bound_is_refused_with_the_figures():
    result = judge(0.87)

    assert not result.passed
    assert (result.measured, result.threshold) == (0.03, 0.02)
    assert result.reason == "the score drops by 0.0300 from the float model's, more than 0.02"


def test_a_gain_passes():
    assert judge(0.95).measured == -0.05
    assert judge(0.95).passed
