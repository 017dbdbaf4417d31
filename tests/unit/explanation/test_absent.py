"""What stands where a player is absent."""

import numpy as np
import pytest

from qatflow.errors import ParamsError
from qatflow.explanation.absent import choose_fill, fillers, read_background


def test_tables_show_training_samples_unless_told_otherwise():
    assert [choose_fill("auto", shape) for shape in ((4,), (20, 3), (8, 8, 1))] == ["samples", "mean", "mean"]
    assert choose_fill("mean", (4,)) == "mean"


@pytest.mark.parametrize("shape", [(4,), (20, 3)])
def test_only_images_can_be_blurred(shape):
    with pytest.raises(ParamsError, match=r"Only images can be blurred, the inputs have shape \[.*; choose mean or"):
        choose_fill("blur", shape)


def test_the_mean_is_that_of_the_training_split(digits):
    found = read_background("mean", digits.train, 3)

    np.testing.assert_allclose(found[0], digits.train.arrays()[0].mean(axis=0), atol=1e-6)
    assert (found.shape, found.dtype) == ((1, 8, 8, 1), np.float32)


def test_samples_are_as_many_as_asked_for(digits):
    np.testing.assert_array_equal(read_background("samples", digits.train, 3), digits.train.arrays(limit=3)[0])


def test_a_blur_is_of_the_sample_itself_and_keeps_its_brightness(digits):
    x = digits.test.arrays(limit=1)[0][0]

    found = fillers(x, read_background("blur", digits.train, 3))

    assert found.shape == (1, 8, 8, 1)
    assert 0 < found.std() < x.std()
    assert found.mean() == pytest.approx(x.mean(), abs=0.05)


def test_channels_are_blurred_apart():
    x = np.zeros((16, 16, 2), np.float32)
    x[8, 8, 1] = 1.0

    assert fillers(x, np.empty((0, 16, 16, 2), np.float32))[0, :, :, 0].max() == 0.0
