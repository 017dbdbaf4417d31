import pytest

from qatflow.backend import keras
from qatflow.models.blocks import channels, conv, depthwise, stride


@pytest.mark.parametrize(
    ("count", "width", "expected"), [(16, 1.0, 16), (16, 0.25, 8), (1, 1.0, 8), (32, 0.75, 24), (64, 0.3, 16)]
)
def test_channels_are_multiples_of_8(count, width, expected):
    assert channels(count, width) == expected


@pytest.mark.parametrize(("shape", "expected"), [((4, 4, 1), 2), ((3, 9, 1), 1), ((9, 3, 1), 1), ((96, 96, 3), 2)])
def test_stride_halves_maps_of_4_and_more(shape, expected):
    assert stride(keras.Input(shape)) == expected


@pytest.mark.parametrize(
    ("activation", "kinds"),
    [
        ("relu", ["InputLayer", "Conv2D", "BatchNormalization", "ReLU"]),
        ("linear", ["InputLayer", "Conv2D", "BatchNormalization"]),
    ],
)
def test_conv_is_the_order_that_tfmot_fuses(activation, kinds):
    x = keras.Input((8, 8, 1))

    model = keras.Model(x, conv(x, 8, 3, 1, "a", activation=activation))

    assert [type(layer).__name__ for layer in model.layers] == kinds
    assert not model.get_layer("a").use_bias


def test_depthwise_keeps_channels_and_relu6_ends_at_6():
    x = keras.Input((8, 8, 5))

    y = depthwise(x, 2, "a", activation="relu6")

    assert y.shape == (None, 4, 4, 5)
    assert keras.Model(x, y).get_layer("a_relu").max_value == 6.0
