"""The parity gate at its bound, and without a fake-quant model."""

import pytest

from qatflow.release.gates.parity import Parity
from tests.unit.release.fabricate import candidate, changed, context


def judge(agreement: float | None):
    judged = changed(candidate(), agreement_fake_quant=agreement)
    return Parity()(judged, context(judged), {"min_agreement": 0.99})


@pytest.mark.parametrize(("agreement", "passed"), [(0.99, True), (0.9899, False), (1.0, True), (0.0, False)])
def test_the_bound_itself_passes(agreement: float, passed: bool):
    result = judge(agreement)

    assert (result.passed, result.measured) == (passed, agreement)


def test_the_reason_has_both_figures():
    assert judge(0.97).reason == "agreement 0.9700 with the fake-quant model is below 0.99"


def test_a_strategy_without_fake_quants_passes_and_says_why():
    result = judge(None)

    assert (result.passed, result.measured) == (True, None)
    assert result.reason == "there is no fake-quant model to agree with"
