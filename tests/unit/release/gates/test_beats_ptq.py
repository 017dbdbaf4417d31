"""Training must pay: the gate that lets plain PTQ ship instead."""

from qatflow.release.base import Candidate, GateResult
from qatflow.release.gates.beats_ptq import BeatsPtq
from tests.unit.release.fabricate import answered, candidate, changed, context

SETTINGS = {"alpha": 0.05, "margin": 0.02, "min_saving": 0.05}
PTQ = answered(changed(candidate("ptq_w8a8"), model=bytes(1000)), test=20)


def qat(wrong: int, size: int = 1000) -> Candidate:
    return answered(changed(candidate("qat_w4a8", trained=True), model=bytes(size)), test=wrong)


def judge(judged: Candidate, *others: Candidate, sound: tuple[str, ...] = ("ptq_w8a8",), **fields) -> GateResult:
    return BeatsPtq()(judged, context(judged, *others, sound=frozenset(sound), **fields), SETTINGS)


def test_one_sample_of_many_is_no_gain():
    result = judge(qat(19), PTQ)

    assert not result.passed
    assert result.reason.startswith("as good as ptq_w8a8: +0.0025, may lose up to ")


def test_a_gain_beyond_noise_passes():
    assert judge(qat(10), PTQ).passed


def test_as_good_and_smaller_passes_as_good_and_hardly_smaller_not():
    assert judge(qat(21, 500), PTQ).passed
    assert not judge(qat(21, 999), PTQ).passed


def test_a_loss_that_cannot_be_ruled_out_is_refused_however_small_the_model():
    assert not judge(qat(25, 1), PTQ).passed


def test_an_untrained_strategy_passes():
    assert judge(PTQ).passed


def test_a_ptq_model_that_may_not_ship_itself_does_not_stand_in_the_way():
    result = judge(qat(20), PTQ, sound=())

    assert (result.passed, result.reason) == (True, "no untrained variant keeps its own bounds")


def test_without_the_usual_one_the_smallest_untrained_variant_is_what_training_must_beat():
    others = [answered(changed(candidate(name), model=bytes(size)), test=20) for name, size in (("a", 900), ("b", 400))]

    result = judge(qat(20, 700), *others, sound=("a", "b"))

    assert not result.passed
    assert "as good as b: " in result.reason


def test_with_nothing_to_compare_with_a_trained_model_is_refused_and_the_way_out_is_said():
    result = judge(qat(0))

    assert not result.passed
    assert "add ptq_w8a8 to quantize.variants, or set this gate to null" in result.reason
