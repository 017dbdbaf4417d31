import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.activations import hard_sigmoid_keras3, hard_swish
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.correction.grouped import Grouped

layers = keras.layers

NAMES = ["conv", "dw", "on_images", "dense"]


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_in_groups_gives_the_outputs_of_the_layer(stack, samples, name):
    grouped, x = Grouped(stack, copied(stack), name), samples((7, 8, 3), 5)
    source, expected = grouped.sources()[0](x).numpy(), stack.get_layer(name)(grouped.sources()[0](x)).numpy()
    expected = expected.reshape(5, -1, expected.shape[-1])
    picks = np.argsort(np.random.default_rng(0).uniform(size=expected.shape[:2]), axis=1)[:, :4]

    bias = 0 if name == "on_images" else stack.get_layer(name).bias
    outputs = np.moveaxis(grouped.inputs(source, picks) @ grouped.weights(), 0, 1).reshape(picks.size, -1) + bias
    if name == "dw":  # has its activation inside
        outputs = np.maximum(outputs, 0)

    wanted = expected[np.arange(5)[:, None], picks].reshape(picks.size, -1)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(grouped.kernel(grouped.weights()), stack.get_layer(name).get_weights()[0])


@pytest.mark.parametrize(
    ("first", "behind", "limits"),
    [
        ("linear", layers.ReLU, (0, np.inf)),
        ("linear", lambda: layers.ReLU(6.0), (0, 6)),
        ("linear", lambda: layers.Activation("relu"), (0, np.inf)),
        ("relu6", layers.Flatten, (0, 6)),
        ("linear", lambda: layers.ReLU(negative_slope=0.1), (-np.inf, np.inf)),
        ("tanh", layers.ReLU, (-np.inf, np.inf)),
        (hard_swish, layers.ReLU, (-np.inf, np.inf)),
        ("linear", lambda: layers.Activation(hard_sigmoid_keras3), (-np.inf, np.inf)),
        ("linear", layers.Softmax, (-np.inf, np.inf)),
    ],
)
def test_what_the_activation_leaves(sequence, first, behind, limits):
    model = copied(sequence((5,), layers.Dense(4, first, name="a"), behind()))

    assert Grouped(model, model, "a").limits() == limits
