"""Cutting channels that nothing reads changes nothing: that is what following them through a graph must reach."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.compression.channels import PRODUCERS, channels_of
from qatflow.compression.structured import cut, groups_of, multiply_accumulates
from qatflow.models import ARCHITECTURES
from qatflow.models.flatten import flatten
from qatflow.models.split import split

pytestmark = pytest.mark.slow

layers = keras.layers
SHAPES = {"mlp": (12,), "conv1d": (24, 3), "autoencoder": (4, 5, 2), "file": None}


def deafened(model, channels, keep):
    """Return a copy in which no convolution or dense layer listens to a channel that goes."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if type(layer) in PRODUCERS and layer.name in channels.inputs:
            kernel = layer.kernel.numpy()
            kernel[..., ~keep[channels.inputs[layer.name]], :] = 0
            layer.kernel.assign(kernel)
    return copy


def half_of_each_group(channels):
    keep = np.ones(channels.count, bool)
    for group in groups_of(channels):
        keep[group[::2]] = len(group) == 1
    return keep


def check_cut(model):
    channels = channels_of(model)
    keep = half_of_each_group(channels)
    small = cut(model, channels, keep)
    x = np.random.default_rng(1).normal(size=(4, *model.input_shape[1:])).astype(np.float32)

    expected = deafened(model, channels, keep).predict(x, verbose=0)
    assert np.allclose(small.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    found = channels_of(small)
    assert multiply_accumulates(model, channels, keep) == multiply_accumulates(small, found, np.ones(found.count, bool))
    return small.count_params() / model.count_params()


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "file"])
def test_every_architecture_is_cut_right(name, drawn):
    outputs, task = (40, "anomaly") if name == "autoencoder" else (4, "classification")
    model = ARCHITECTURES[name](SHAPES.get(name, (16, 16, 3)), outputs, 0.5, task)

    assert check_cut(split(flatten(drawn(model)))) < 0.65


def squeezed(x):
    """Squeeze and excitation: a branch that scales the channels it comes from."""
    inner = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return layers.Multiply()([x, layers.Reshape((1, 1, 8))(layers.Dense(8, activation="sigmoid")(inner))])


def shared(x):
    """One convolution called twice."""
    layer = layers.Conv2D(8, 1)
    return layer(layers.ReLU()(layer(x)))


MIDDLES = {
    "concatenate": lambda x: layers.Concatenate()([x, layers.Conv2D(6, 3, padding="same")(x)]),
    "add": lambda x: layers.Add()([x, layers.Conv2D(8, 1)(layers.ReLU()(x))]),
    "excitation": squeezed,
    "flatten": lambda x: layers.Flatten()(layers.MaxPooling2D()(x)),
    "reshape": layers.Reshape((36, 8)),
    "multiplier": layers.DepthwiseConv2D(3, depth_multiplier=2),
    "layer-norm": lambda x: layers.LayerNormalization()(layers.Conv2D(4, 1)(x)),
    "groups": layers.Conv2D(8, 3, groups=2),
    "softmax": lambda x: layers.Softmax()(layers.Conv2D(4, 1)(x)),
    "shared": shared,
}


@pytest.mark.parametrize("name", MIDDLES)
def test_graphs_of_users_are_cut_right_or_left_alone(name, drawn):
    inputs = layers.Input((6, 6, 2))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(inputs))
    x = MIDDLES[name](x)
    x = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    model = split(flatten(drawn(keras.Model(inputs, layers.Dense(3)(x)))))

    check_cut(model)


def test_the_output_keeps_its_channels(drawn):
    model = split(flatten(drawn(keras.Sequential([layers.Dense(6, input_shape=(4,)), layers.Dense(5)]))))
    channels = channels_of(model)

    assert [len(group) for group in groups_of(channels)] == [6]
