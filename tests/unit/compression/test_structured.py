import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.compression.channels import channels_of
from qatflow.compression.cost import multiply_accumulates
from qatflow.compression.importance import importances
from qatflow.compression.structured import Structured, choose, cut, groups_of
from qatflow.errors import ParamsError
from qatflow.models.flatten import flatten
from qatflow.params.compression import CompressionParams

pytestmark = pytest.mark.slow

layers = keras.layers


@pytest.fixture
def model(drawn):
    stack = [
        layers.Conv2D(16, 3, padding="same", activation="relu", input_shape=(6, 6, 2), name="first"),
        layers.Conv2D(8, 3, activation="relu", name="second"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, activation="softmax", name="end"),
    ]
    return flatten(drawn(keras.Sequential(stack)))


def loss_of(model, data):
    x, y = data.train.arrays()
    probabilities = model.predict(x, verbose=0)
    return -np.log(probabilities[np.arange(len(y)), y])


def test_importance_is_the_squared_first_order_change_of_the_loss(model, blobs):
    channels = channels_of(model)
    found = importances(model, channels, blobs)
    kernel, batch = model.get_layer("second").kernel, 8
    before, whole = loss_of(model, blobs), kernel.numpy()
    for position in (0, 5, 11):  # shrink what `second` hears of a channel by a thousandth
        faint = whole.copy()
        faint[:, :, position] *= 0.999
        kernel.assign(faint)
        change = (loss_of(model, blobs) - before) / 0.001
        kernel.assign(whole)
        by_batch = [change[i : i + batch].mean() for i in range(0, len(change), batch)]
        assert found[channels.outputs["first"][position]] == pytest.approx(np.square(by_batch).sum(), rel=0.05)


def test_channels_that_nothing_depends_on_go_first(model, blobs):
    kernel = model.get_layer("second").kernel.numpy()
    kernel[:, :, [1, 4, 9, 14]] = 0
    model.get_layer("second").kernel.assign(kernel)
    channels = channels_of(model)
    keep = choose(model, channels, importances(model, channels, blobs), 0.2, 4, multiply_accumulates(model))

    assert np.flatnonzero(~keep[channels.outputs["first"]]).tolist() == [1, 4, 9, 14]


@pytest.mark.parametrize(("share", "multiple"), [(0.3, 1), (0.5, 4), (0.45, 8)])
def test_so_many_multiply_accumulates_go_and_channels_in_steps(model, blobs, share, multiple):
    small = Structured(CompressionParams(channels=share, multiple_of=multiple)).shrink(model, blobs)
    before, after = multiply_accumulates(model), multiply_accumulates(small)

    assert after <= (1 - share) * before
    assert {16 - small.get_layer("first").filters, 8 - small.get_layer("second").filters} & {0, multiple, 2 * multiple}
    assert (16 - small.get_layer("first").filters) % multiple == 0
    assert small.output_shape == model.output_shape


def test_more_than_can_go_is_refused_with_what_can(model, blobs):
    with pytest.raises(ParamsError, match=r"channels is 0\.99, but only 0\.\d+ of the multiply-accumulates can go"):
        Structured(CompressionParams(channels=0.99, multiple_of=8)).shrink(model, blobs)


def test_a_flatbuffer_with_all_channels_breaks_the_promise(model, blobs):
    channels = channels_of(model)
    keep = np.ones(channels.count, bool)
    keep[groups_of(channels)[0][:8]] = False
    promises = Structured(CompressionParams()).promises(cut(model, channels, keep))

    assert promises["first"].weights == 3 * 3 * 2 * 8
    assert promises["second"].weights == 3 * 3 * 8 * 8
