"""Normalizations."""

import numpy as np
import pytest

from qatflow.data.moments import moments_of
from qatflow.data.preprocessing import choose_normalization, make_preprocessing

TRAIN = np.array([[0.0, 5.0, 10.0], [4.0, 5.0, 30.0]])


@pytest.mark.parametrize(
    ("asked", "full_scale", "shape", "chosen"),
    [
        ("auto", 255.0, (8, 8, 1), "unit"),
        ("auto", 255.0, (8,), "unit"),
        ("auto", None, (8,), "standard"),
        ("auto", None, (8, 8, 1), "none"),
        ("none", 255.0, (8, 8, 1), "none"),
        ("standard", 255.0, (8, 8, 1), "standard"),
    ],
)
def test_auto(asked: str, full_scale: float | None, shape: tuple[int, ...], chosen: str) -> None:
    assert choose_normalization(asked, full_scale, shape) == chosen


@pytest.mark.parametrize(
    ("normalization", "full_scale", "expected"),
    [
        ("none", None, TRAIN),
        ("unit", 10.0, TRAIN / 10),
        ("unit", None, [[0, 0, 0], [1, 0, 1]]),
        ("standard", 255.0, [[-1, 0, -1], [1, 0, 1]]),
    ],
)
def test_applied(normalization: str, full_scale: float | None, expected: np.ndarray) -> None:
    x = make_preprocessing(normalization, full_scale, moments_of(TRAIN)).apply(TRAIN)

    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_full_scale_maps_to_exactly_1() -> None:
    preprocessing = make_preprocessing("unit", 255.0, moments_of(TRAIN))

    assert preprocessing.apply(np.array([[0, 255]], np.uint8)).tolist() == [[0.0, 1.0]]
