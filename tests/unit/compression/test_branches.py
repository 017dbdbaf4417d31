"""Residual branches: which can go, which goes first, and what a model is without them."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.compression.branches import branches_of, shallower, without
from qatflow.compression.cost import multiply_accumulates
from qatflow.compression.structured import Structured
from qatflow.errors import ParamsError
from qatflow.models import ARCHITECTURES
from qatflow.models.flatten import flatten
from qatflow.params.compression import CompressionParams

pytestmark = pytest.mark.slow
layers = keras.layers


def conv(name, filters=4, size=3):
    return layers.Conv2D(filters, size, padding="same", name=name)


@pytest.fixture
def model(drawn):
    """Two identity branches, the second written as f(x) + x, behind one whose shortcut is a convolution."""
    inputs = layers.Input((6, 6, 2))
    x = layers.Add(name="no_branch")([conv("main")(inputs), conv("shortcut", size=1)(inputs)])
    f = layers.BatchNormalization(name="norm")(conv("wide_2")(layers.ReLU(name="relu")(conv("wide_1", 8)(x))))
    y = layers.Add(name="wide")([x, f])
    z = layers.Add(name="thin")([conv("thin_1")(y), y])
    return flatten(drawn(keras.Model(inputs, layers.Dense(2, "softmax")(layers.GlobalAveragePooling2D()(z)))))


def silence(model, name):
    layer = model.get_layer(name)
    layer.set_weights([0 * each for each in layer.get_weights()])


def test_identity_branches_are_found_whatever_their_order(model):
    assert branches_of(model) == [
        {"wide_1", "relu", "wide_2", "norm", "wide"},
        {"thin_1", "thin"},
    ]


def test_what_is_read_elsewhere_stays(drawn):
    inputs = layers.Input((6, 6, 2))
    x = conv("start")(inputs)
    seen = conv("seen")(x)
    y = layers.Add()([x, conv("behind")(seen)])
    assert branches_of(keras.Model(inputs, [y, seen])) == []
    assert branches_of(keras.Model(inputs, layers.Concatenate()([y, seen]))) == []
    assert branches_of(keras.Model(inputs, layers.Add()([x, x]))) == []


def test_what_x_alone_could_not_stand_for_stays():
    x = layers.Input((1, 1, 4))
    assert branches_of(keras.Model(x, layers.Add()([x, layers.UpSampling2D(2)(x)]))) == []


def test_a_layer_that_is_called_twice_stays():
    inputs = layers.Input((6, 6, 4))
    twice = conv("twice")
    assert branches_of(keras.Model(inputs, layers.Add()([inputs, twice(twice(inputs))]))) == []


def test_a_branch_with_a_fork_goes_whole(drawn, blobs):
    inputs = layers.Input((6, 6, 2))
    x = conv("start")(inputs)
    fork = layers.Multiply(name="gate")([conv("left")(x), conv("right")(x)])
    whole = drawn(keras.Model(inputs, layers.Add(name="end")([fork, x])))
    (branch,) = branches_of(whole)

    small = without(whole, branch)

    sample = blobs.train.arrays(limit=8)[0]
    expected = keras.Model(inputs, x).predict(sample, verbose=0)
    np.testing.assert_array_equal(small.predict(sample, verbose=0), expected)
    assert {layer.name for layer in small.layers[1:]} == {"start"}


def test_the_branch_that_nothing_depends_on_goes_first(model, blobs):
    silence(model, "thin_1")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*blobs.train.arrays(), epochs=20, verbose=0)
    silence(model, "thin_1")

    small = shallower(model, 1, blobs)

    sample = blobs.train.arrays(limit=8)[0]
    assert "thin_1" not in {layer.name for layer in small.layers}
    np.testing.assert_allclose(small.predict(sample, verbose=0), model.predict(sample, verbose=0), atol=1e-6)


def test_more_branches_than_there_are_is_refused(model, blobs):
    with pytest.raises(ParamsError, match=r"branches is 3, but only 2 can go from this model.*ask for 2"):
        shallower(model, 3, blobs)


def test_channels_go_only_for_what_the_branches_left(model, blobs):
    whole = multiply_accumulates(model)
    wide = 1 - multiply_accumulates(without(model, branches_of(model)[0])) / whole
    silence(model, "wide_2")
    for share, stay in ((wide - 0.01, True), (wide + 0.1, False)):
        settings = CompressionParams(branches=1, channels=share, multiple_of=1)
        small = Structured(settings).shrink(model, blobs)

        assert multiply_accumulates(small) <= (1 - share) * whole
        assert (small.get_layer("main").filters == 4) is stay


def test_no_second_relu_is_left(drawn):
    net = flatten(drawn(ARCHITECTURES["resnet8"]((32, 32, 3), 10, 0.25, "classification")))
    (branch,) = branches_of(net)
    small = without(net, branch)

    gone = {layer.name for layer in net.layers} - {layer.name for layer in small.layers}
    assert len([name for name in gone if "relu" in name]) == 2  # the one inside the branch, and the one behind the sum


@pytest.mark.parametrize(("name", "count"), [("resnet8", 1), ("mobilenet_v2", 10), ("mobilenet_v1", 0)])
def test_branches_of_known_architectures(name, count):
    assert len(branches_of(flatten(ARCHITECTURES[name]((32, 32, 3), 10, 1.0, "classification")))) == count
