"""The golden gate refuses a bundle that differs, or does not run at all."""

from qatflow.release.base import GateResult, GoldenCheck
from qatflow.release.gates.golden import Golden
from tests.unit.release.fabricate import candidate, context


def judge(check: GoldenCheck, limit: float) -> GateResult:
    judged = candidate()
    return Golden()(judged, context(judged, golden={judged.variant: check}), {"max_lsb": limit})


def test_the_bound_itself_passes():
    assert judge(GoldenCheck(1.0), 1.0).passed
    assert not judge(GoldenCheck(2.0), 1.0).passed


def test_a_crash_is_refused_with_its_cause():
    result = judge(GoldenCheck(None, "it was killed by SIGSEGV"), 255.0)

    assert (result.passed, result.measured) == (False, None)
    assert result.reason == "the bundle does not run in a clean process: it was killed by SIGSEGV"
