"""Several models must pay: the gate that lets a single one ship instead."""

from dataclasses import replace

from qatflow.release.base import Candidate, GateResult
from qatflow.release.gates.beats_members import BeatsMembers
from tests.unit.release.fabricate import candidate, changed, context

A, B = (
    changed(candidate(name), score=score, model=bytes(1000)) for name, score in (("ptq_w8a8", 0.95), ("qat_w4a8", 0.94))
)


def ensemble(score: float, p: float) -> Candidate:
    against = {name: {"gain": 0.0, "p": p if name == "ptq_w8a8" else 1e-9} for name in ("ptq_w8a8", "qat_w4a8")}
    record = {"members": {"ptq_w8a8": {"weight": 0.5}, "qat_w4a8": {"weight": 0.5}}, "against": against}
    return replace(changed(candidate("ensemble"), score=score, model=bytes(2000)), ensemble=record)


def judge(judged: Candidate, *others: Candidate) -> GateResult:
    return BeatsMembers()(judged, context(judged, *others), {"alpha": 0.05})


def test_significantly_better_than_the_best_single_one_passes():
    result = judge(ensemble(0.97, 0.01), A, B)

    assert (result.passed, result.measured) == (True, 0.01)
    assert result.reason == (
        "+0.0200 against ptq_w8a8, the best single model: significantly better (p = 0.0100, alpha 0.05)"
    )


def test_better_but_perhaps_by_chance_is_refused():
    assert not judge(ensemble(0.97, 0.06), A, B).passed


def test_significantly_worse_is_refused():
    assert not judge(ensemble(0.90, 0.001), A, B).passed


def test_better_than_a_weaker_member_alone_is_not_enough():
    """Against qat_w4a8 the difference is significant; it is ptq_w8a8 that counts."""
    assert not judge(ensemble(0.951, 0.9), A, B).passed


def test_a_single_model_passes_untouched():
    result = judge(A, B, ensemble(0.99, 0.001))

    assert (result.passed, result.reason) == (True, "it is a single model")


def test_without_a_comparison_it_is_refused():
    assert not judge(ensemble(0.99, 0.001)).passed
    stranger = replace(A, variant="ptq_w8a16", evaluation={**A.evaluation, "score": 0.99})
    assert "was not compared" in judge(ensemble(0.999, 0.001), A, stranger).reason
