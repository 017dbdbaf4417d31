import numpy as np
import pytest

from qatflow.compression.promise import Promise, joined, require_kept
from qatflow.errors import ConversionError
from qatflow.tflite.inspect import layer_weights


@pytest.fixture
def layer(golden):
    return layer_weights(golden["int8"])[0]


def test_what_a_flatbuffer_has_it_may_promise(golden, layer):
    q = layer.integers
    promise = Promise(zeros=int(np.sum(q == 0)), distinct=len(np.unique(q)), weights=q.size)

    assert require_kept(golden["int8"], {layer.name: promise}) == golden["int8"]
    assert require_kept(golden["int8"], {}) == golden["int8"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda q: Promise(zeros=int(np.sum(q == 0)) + 1), r"has \d+ zeros of \d+ weights instead of \d+"),
        (lambda q: Promise(distinct=len(np.unique(q)) - 1), r"has \d+ distinct weights instead of \d+"),
        (lambda q: Promise(weights=q.size - 1), r"has \d+ weights instead of \d+"),
    ],
)
def test_a_flatbuffer_that_lost_it_is_refused(golden, layer, change, told):
    with pytest.raises(ConversionError, match=f"'{layer.name}' {told}"):
        require_kept(golden["int8"], {layer.name: change(layer.integers)})


def test_fours_are_looked_at_along_the_input_channels(golden):
    wide = next(layer for layer in layer_weights(golden["int8"]) if layer.values.shape[-1] >= 4)

    with pytest.raises(ConversionError, match="fours of weights with fewer than two zeros"):
        require_kept(golden["int8"], {wide.name: Promise(fours=True)})


def test_a_layer_that_is_gone_is_named(golden):
    with pytest.raises(ConversionError, match="has no layer 'conv9'"):
        require_kept(golden["int8"], {"conv9": Promise()})


def test_both_promises_hold_together():
    first, second = Promise(zeros=3, distinct=16), Promise(zeros=5, fours=True, weights=9)

    assert joined(first, second) == joined(second, first) == Promise(5, True, 16, 9)
