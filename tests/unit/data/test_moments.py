"""Running statistics against NumPy's on all values at once."""

import numpy as np
import pytest

from qatflow.data.moments import Moments, merge, moments_of


def _running(x: np.ndarray, sizes: list[int]) -> Moments:
    total = Moments.empty(x.shape[-1])
    for part in np.split(x, np.cumsum(sizes)):
        total = merge(total, moments_of(part))
    return total


@pytest.mark.parametrize("shape", [(100, 3), (100, 4, 2, 3)])
@pytest.mark.parametrize("sizes", [[], [0, 1, 50], [99]])
def test_equals_numpy_for_any_chunks(shape: tuple[int, ...], sizes: list[int]) -> None:
    x = np.random.default_rng(0).normal(1e4, 0.1, shape)
    x[..., 1] *= 1e-3
    found = _running(x, sizes)
    flat = x.reshape(-1, 3)

    assert found.count == len(flat)
    np.testing.assert_array_equal(found.minimum, flat.min(axis=0))
    np.testing.assert_array_equal(found.maximum, flat.max(axis=0))
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, flat.std(axis=0), rtol=1e-9)
    overall = {"min": x.min(), "max": x.max(), "mean": x.mean(), "std": x.std()}
    assert found.overall() == pytest.approx(overall, rel=1e-9)
