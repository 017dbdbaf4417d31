import numpy as np
import pytest

from qatflow.backend import tf
from qatflow.quantization.correction.patches import Window, mean_patch, patches


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("strides", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3))])
@pytest.mark.parametrize("shape", [(2, 9, 8, 3), (1, 12, 7, 1)])
def test_patches_times_kernel_are_tensorflows_convolution(shape, strides, dilation, same):
    rng = np.random.default_rng(0)
    images, kernel = rng.normal(0, 1, shape), rng.normal(0, 1, (3, 2, shape[3], 4))
    window = Window((3, 2), strides, dilation, same)

    outputs = np.einsum("nrchwi,hwio->nrco", patches(images, window), kernel)

    expected = tf.nn.conv2d(images, kernel, strides, "SAME" if same else "VALID", dilations=dilation)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)


def test_the_mean_patch_counts_the_zeros_of_the_padding():
    ones = np.ones((1, 2, 2, 1), np.float32)

    mean = mean_patch(ones, Window((3, 3), same=True))[:, :, 0]

    assert mean.tolist() == [[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]
