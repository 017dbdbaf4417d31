"""Training must pay: the gate that lets plain PTQ ship instead."""

from qatflow.release.base import Candidate, GateResult
from qatflow.release.gates.beats_ptq import BeatsPtq
from tests.unit.release.fabricate import candidate, changed, context

PTQ = changed(candidate("ptq_w8a8"), score=0.95, model=bytes(1000))


def qat(score: float, size: int = 1000) -> Candidate:
    return changed(candidate("qat_w4a8", trained=True), score=score, model=bytes(size))


def judge(judged: Candidate, *others: Candidate, min_gain: float = 0.0) -> GateResult:
    return BeatsPtq()(judged, context(judged, *others), {"min_gain": min_gain})


def test_an_equal_score_of_equal_size_is_refused():
    result = judge(qat(0.95), PTQ)

    assert (result.passed, result.measured) == (False, 0.0)
    assert result.reason == "the gain over ptq_w8a8 of +0.0000 is not more than 0"


def test_a_better_score_passes():
    assert judge(qat(0.96), PTQ).passed


def test_a_better_score_must_exceed_the_gain_asked_for():
    assert not judge(qat(0.96), PTQ, min_gain=0.01).passed
    assert judge(qat(0.97), PTQ, min_gain=0.01).passed


def test_an_equal_score_with_one_byte_less_passes():
    assert judge(qat(0.95, 999), PTQ, min_gain=0.5).reason == "as good as ptq_w8a8 with 1 bytes less"


def test_a_lower_score_is_refused_however_small_the_model():
    assert not judge(qat(0.9499, 1), PTQ).passed


def test_an_untrained_strategy_passes():
    assert judge(PTQ).passed


def test_without_ptq_among_the_variants_it_passes_and_says_so():
    result = judge(qat(0.1))

    assert (result.passed, result.reason) == (True, "ptq_w8a8 is not among the variants")
