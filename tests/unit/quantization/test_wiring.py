import pytest

from qatflow.backend import keras
from qatflow.models.activations import activation_of, is_relu
from qatflow.models.kernels import quantizable
from qatflow.quantization.wiring import (
    fuses_into_reader,
    grid_of,
    reader_of,
)

layers = keras.layers


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(),
        layers.ReLU(6),
        layers.ReLU(6.0),
        layers.ReLU.from_config(layers.ReLU(6.0).get_config()),
        layers.Activation("relu"),
        layers.Activation("relu6"),
    ],
)
def test_relus_that_tflite_fuses(layer):
    assert is_relu(layer)


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(4.0),
        layers.ReLU(negative_slope=0.1),
        layers.ReLU(threshold=1.0),
        layers.LeakyReLU(),
        layers.Activation("tanh"),
        layers.Dense(1, activation="relu"),
    ],
)
def test_other_layers_that_it_does_not(layer):
    assert not is_relu(layer)


def test_activations_by_name():
    assert activation_of(layers.Softmax()) == "softmax"
    assert activation_of(layers.Dense(1, activation="swish")) in {"swish", "silu"}
    assert activation_of(layers.Flatten()) == "linear"


@pytest.mark.parametrize(
    ("stack", "fused"),
    [
        ([layers.Conv2D(2, 3, name="a"), layers.ReLU(name="z")], True),
        ([layers.Conv2D(2, 3, name="a"), layers.BatchNormalization(name="z")], True),
        ([layers.BatchNormalization(name="a"), layers.ReLU(6.0, name="z")], True),
        ([layers.Conv2D(2, 3, activation="relu", name="a"), layers.ReLU(name="z")], False),
        ([layers.Conv2D(2, 3, name="a"), layers.ReLU(4.0, name="z")], False),
        ([layers.Conv2D(2, 3, name="a"), layers.MaxPooling2D(name="z")], False),
        ([layers.Conv2DTranspose(2, 3, name="a"), layers.BatchNormalization(name="z")], False),
        ([layers.MaxPooling2D(name="a"), layers.ReLU(name="z")], False),
    ],
)
def test_what_becomes_one_operator_with_its_reader(sequence, stack, fused):
    model = sequence((8, 8, 1), *stack)

    assert fuses_into_reader(model.get_layer("a")) is fused
    assert not fuses_into_reader(model.get_layer("z"))


def test_sums_fuse_with_their_relu_and_branches_with_nothing():
    x = layers.Input((8, 8, 1), name="input")
    a = layers.Conv2D(2, 3, name="a")(x)
    total = layers.Add(name="sum")([a, layers.ReLU(name="b")(a)])
    model = keras.Model(x, layers.ReLU(name="end")(total))

    fused = {layer.name: fuses_into_reader(layer) for layer in model.layers[1:]}

    assert fused == {"a": False, "b": False, "sum": True, "end": False}
    assert reader_of(model.get_layer("a")) is None
    assert reader_of(model.get_layer("b")).name == "sum"


def test_parts_of_a_concatenation_have_no_scale_of_their_own():
    x = layers.Input((8, 8, 1), name="input")
    parts = [layers.ReLU(name="a")(x), layers.Conv2D(2, 1, name="b")(x)]
    model = keras.Model(x, layers.Concatenate(name="all")(parts))

    assert [fuses_into_reader(model.get_layer(name)) for name in ("a", "b", "all")] == [True, True, False]


def test_grids_pass_through_layers_that_only_move_values(sequence):
    passing = [layers.MaxPooling2D(name="pool"), layers.Dropout(0.5, name="drop"), layers.Flatten(name="flat")]
    model = sequence((8, 8, 1), layers.Conv2D(2, 3, name="a"), *passing, layers.Dense(2, name="d"))

    assert grid_of(model.get_layer("d")).name == "a"
    assert grid_of(model.get_layer("a")).name == "input"


def test_a_layer_of_two_inputs_has_no_grid_before_it():
    x = layers.Input((4,), name="input")
    model = keras.Model(x, layers.Add(name="sum")([x, layers.Dense(4, name="d")(x)]))

    assert grid_of(model.get_layer("sum")) is None


def test_weights_that_can_be_fake_quantized(sequence):
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    kinds = [layers.Conv2D(2, 3, name="conv"), layers.DepthwiseConv2D(2, name="depth")]
    kinds += [layers.Conv2DTranspose(2, 3, name="up"), shared, layers.ReLU(name="r"), shared]

    model = sequence((8, 8, 2), *kinds, layers.Flatten(name="f"), layers.Dense(2, name="dense"))

    assert [layer.name for layer in quantizable(model)] == ["conv", "depth", "dense"]
