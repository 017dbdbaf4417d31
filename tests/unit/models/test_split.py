import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.split import split
from tests.unit.models.stacks import of

layers = keras.layers


def apart(model, atol=1e-6):
    """Return the names and classes of the layers behind the input of `split(model)`, which must compute the same."""
    parts = split(model)
    x = np.random.default_rng(1).normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(parts(x), model(x), rtol=0, atol=atol)
    assert parts.count_params() == model.count_params()
    return {layer.name: type(layer).__name__ for layer in parts.layers[1:]}


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_leaves_alone_what_the_device_fuses(activation):
    model = of((6, 6, 2), layers.Conv2D(3, 3, activation=activation, name="c"), layers.Flatten(name="f"))

    assert apart(model) == {"c": "Conv2D", "f": "Flatten"}


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(3, 3, activation="tanh", name="l"),
        layers.DepthwiseConv2D(3, activation="tanh", name="l"),
        layers.Conv2DTranspose(3, 3, activation="tanh", name="l"),
        layers.Dense(3, activation="tanh", name="l"),
    ],
)
def test_puts_other_activations_into_a_layer_of_their_own(layer):
    assert apart(of((6, 6, 2), layer)) == {"l": type(layer).__name__, "l_tanh": "Activation"}


def test_names_are_unique():
    stack = [layers.Dense(3, activation="softmax", name="d"), layers.Dense(3, name="d_softmax")]

    assert apart(of((4,), *stack)) == {"d": "Dense", "d_softmax_1": "Activation", "d_softmax": "Dense"}


def test_takes_activations_that_are_layers():
    model = of((4,), layers.Dense(3, activation=layers.PReLU(), name="d"))

    assert apart(model) == {"d": "Dense", "d_prelu": "PReLU"}


@pytest.mark.parametrize(
    "settings",
    [
        {"padding": "same", "depth_multiplier": 2, "strides": 2},
        {"dilation_rate": 2, "use_bias": False},
        {"activation": "relu", "pointwise_regularizer": "l2", "depthwise_constraint": "non_neg"},
    ],
)
@pytest.mark.parametrize("rank", [1, 2])
def test_separable_convolutions_become_two(rank, settings):
    layer = getattr(layers, f"SeparableConv{rank}D")(4, 3, name="s", **settings)

    assert apart(of((9, 9, 3)[-rank - 1 :], layer)) == {
        "s_depthwise": f"DepthwiseConv{rank}D",
        "s": f"Conv{rank}D",
    }


def test_causal_padding_comes_first():
    layer = layers.SeparableConv1D(4, 3, padding="causal", dilation_rate=2, activation="elu", name="s")

    assert list(apart(of((9, 3), layer))) == ["s_pad", "s_depthwise", "s", "s_elu"]


def test_settings_of_both_parts_survive():
    model = of((6, 6, 2), layers.SeparableConv2D(3, 3, pointwise_regularizer="l2", depthwise_constraint="non_neg"))
    model.layers[1].trainable = False

    depthwise, pointwise = split(model).layers[1:]

    assert depthwise.depthwise_constraint.__class__ is keras.constraints.NonNeg
    assert pointwise.kernel_regularizer.__class__ is keras.regularizers.L2
    assert (depthwise.trainable, pointwise.trainable) == (False, False)


def test_takes_activation_layers_that_hold_a_layer():
    model = of((4,), layers.Activation(layers.LeakyReLU(0.2), name="a"), layers.Activation(layers.PReLU(), name="b"))

    assert apart(model) == {"a": "LeakyReLU", "b": "PReLU"}


def test_layers_without_weights_of_their_own_become_one_for_each_call():
    x = layers.Input((4,), name="input")
    relu, norm = layers.ReLU(name="r"), layers.Normalization(mean=[1.0] * 4, variance=[4.0] * 4, name="n")
    model = keras.Model(x, layers.Add(name="add")([relu(x), relu(norm(x)), norm(layers.Dense(4, name="d")(x))]))

    parts = split(model)

    inputs = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(parts(inputs), model(inputs), atol=1e-6)
    assert {layer.name for layer in parts.layers} == {"input", "r", "r_1", "n", "n_1", "d", "add"}


def test_shared_layers_with_weights_stay_shared():
    x = layers.Input((4,), name="input")
    shared = layers.Dense(4, activation="tanh", name="d")
    model = keras.Model(x, layers.Add(name="add")([shared(x), shared(shared(x))]))

    parts = split(model)

    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(parts(x), model(x), atol=1e-6)
    assert len(parts.get_layer("d").inbound_nodes) == 3
    assert {f"d_tanh{end}" for end in ("", "_1", "_2")} < {layer.name for layer in parts.layers}
