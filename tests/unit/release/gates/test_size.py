"""The size gate counts the bytes that ship."""

import pytest

from qatflow.release.gates.size import Size
from tests.unit.release.fabricate import candidate, changed, context


@pytest.mark.parametrize(("size", "passed"), [(600, True), (601, False)])
def test_the_bound_itself_passes(size: int, passed: bool):
    judged = changed(candidate(), model=bytes(size), float={"score": 1.0, "size_bytes": 1000})

    result = Size()(judged, context(judged), {"max_ratio": 0.6})

    assert (result.passed, result.measured) == (passed, size / 1000)
