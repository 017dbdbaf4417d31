"""The agreement gate at its bound."""

import pytest

from qatflow.release.gates.agreement import Agreement
from tests.unit.release.fabricate import candidate, changed, context


@pytest.mark.parametrize(("agreement", "passed"), [(0.95, True), (0.9499, False), (1.0, True)])
def test_the_bound_itself_passes(agreement: float, passed: bool):
    judged = changed(candidate(), agreement_float=agreement)

    result = Agreement()(judged, context(judged), {"min_agreement": 0.95})

    assert (result.passed, result.measured) == (passed, agreement)


def test_the_reason_has_both_figures():
    judged = changed(candidate(), agreement_float=0.93)

    result = Agreement()(judged, context(judged), {"min_agreement": 0.95})

    assert result.reason == "agreement 0.9300 with the float model is below 0.95"
