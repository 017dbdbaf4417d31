"""The gate on explanation drift at its bound."""

from dataclasses import replace

import pytest

from qatflow.release.gates.explanation_drift import ExplanationDrift
from tests.unit.release.fabricate import candidate, context

SETTINGS = {"min_rank_correlation": 0.9}


@pytest.mark.parametrize(("found", "passed"), [(0.9, True), (0.8999, False), (1.0, True)])
def test_the_bound_itself_passes(found: float, passed: bool):
    judged = replace(candidate(), explanation={"rank_correlation": {"mean": found}})

    result = ExplanationDrift()(judged, context(judged), SETTINGS)

    assert (result.passed, result.measured, result.threshold) == (passed, found, 0.9)
    assert result.reason.startswith(f"rank correlation {found:.4f} of its reasons")


def test_a_model_that_was_not_explained_is_refused_and_the_reason_says_what_to_do():
    result = ExplanationDrift()(candidate(), context(candidate()), SETTINGS)

    assert (result.passed, result.measured) == (False, None)
    assert "raise explain.samples, or take this gate out" in result.reason
