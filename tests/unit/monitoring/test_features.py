"""A few numbers stand for a sample, whatever its shape."""

import numpy as np
import pytest

from qatflow.monitoring.features import describe, embed, feature_names

SHAPES = [(5,), (64,), (65,), (300,), (7, 3), (490, 1), (8, 8, 1), (3, 2, 4), (33, 31, 3), (1, 1, 1), (4, 4, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_there_is_a_name_for_each_feature_and_all_are_finite(shape: tuple[int, ...]):
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)

    features, vectors = describe(x), embed(x)

    assert features.shape == (6, len(feature_names(shape)))
    assert len(set(feature_names(shape))) == features.shape[1]
    assert features.dtype == vectors.dtype == np.float32
    assert np.isfinite(features).all()
    assert vectors.shape[1] <= 64 * max(1, shape[-1] if len(shape) > 1 else 1) * (shape[-2] if len(shape) > 3 else 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_alone_is_described_as_among_others(shape: tuple[int, ...]):
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)

    assert np.allclose(describe(x)[2], describe(x[2:3])[0], rtol=1e-5, atol=1e-6)


def test_whole_and_patches_of_an_image():
    x = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1)
    found = dict(zip(feature_names((8, 8, 1)), describe(x)[0].tolist(), strict=True))

    assert (found["mean"], found["min"], found["max"]) == (31.5, 0, 63)
    assert found["std"] == pytest.approx(x.std())
    assert found["sharpness"] == pytest.approx((56 * 8 + 56 * 1) / 112)
    assert found["patch 0,0"] == pytest.approx(x[0, :2, :2].mean())
    assert found["patch 3,1"] == pytest.approx(x[0, 6:, 2:4].mean())


def test_the_columns_of_a_table_are_its_features():
    x = np.array([[1.5, -2.0]], np.float32)

    assert feature_names((2,)) == ("column 0", "column 1")
    assert describe(x).tolist() == embed(x).tolist() == [[1.5, -2.0]]
