"""The latency gate reads the interleaved ratio."""

import pytest

from qatflow.release.gates.latency import Latency
from tests.unit.release.fabricate import candidate, context, timed


@pytest.mark.parametrize(("ratio", "passed"), [(4.0, True), (4.01, False)])
def test_the_bound_itself_passes(ratio: float, passed: bool):
    judged = timed(candidate(), p50=1.0, latency_ratio=ratio)

    result = Latency()(judged, context(judged), {"max_ratio": 4.0})

    assert (result.passed, result.measured) == (passed, ratio)
