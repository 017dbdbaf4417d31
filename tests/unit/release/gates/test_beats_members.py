"""Several models must pay: the gate that lets a single one ship instead."""

from dataclasses import replace

from qatflow.release.base import Candidate, GateResult
from qatflow.release.gates.beats_members import BeatsMembers
from tests.unit.release.fabricate import answered, candidate, changed, context

A = answered(changed(candidate("ptq_w8a8"), model=bytes(1000)), test=20, val=10)
B = answered(changed(candidate("qat_w4a8"), model=bytes(1000)), test=2, val=30)


def ensemble(wrong: int) -> Candidate:
    record = {"members": {"ptq_w8a8": {"weight": 0.5}, "qat_w4a8": {"weight": 0.5}}}
    return replace(answered(changed(candidate("ensemble"), model=bytes(2000)), test=wrong, val=0), ensemble=record)


def judge(judged: Candidate, *others: Candidate) -> GateResult:
    return BeatsMembers()(judged, context(judged, *others), {"alpha": 0.05})


def test_surely_better_than_the_best_single_one_passes():
    result = judge(ensemble(10), A, B)

    assert result.passed
    assert result.measured > 0 == result.threshold
    assert result.reason.startswith("surely better than ptq_w8a8, the best single model: +0.0250, gains ")


def test_which_single_one_is_the_best_the_validation_split_says_not_the_test_split():
    assert "than ptq_w8a8" in judge(ensemble(10), A, B).reason
    assert "than qat_w4a8" in judge(ensemble(10), A, answered(B, val=5)).reason


def test_better_but_perhaps_by_chance_is_refused():
    assert not judge(ensemble(18), A, B).passed


def test_worse_is_refused():
    assert not judge(ensemble(40), A, B).passed


def test_a_single_model_passes_untouched():
    result = judge(A, B, ensemble(0))

    assert (result.passed, result.reason) == (True, "it is a single model")


def test_without_a_single_one_to_compare_with_it_is_refused():
    assert not judge(ensemble(0)).passed
