import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization.canonical import INPUT_GRID, canonical

layers = keras.layers


def names(model):
    return [layer.name for layer in model.layers]


def conv_block():
    return [
        layers.Conv2D(4, 3, use_bias=False, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(6.0, name="relu"),
    ]


def test_computes_the_same_flat_folded_and_with_activations_apart(sequence, lively, samples):
    inner = keras.Sequential([layers.Input((8, 8, 2)), *conv_block()], name="inner")
    separable = layers.SeparableConv2D(3, 3, activation="swish", name="sep")
    head = [layers.GlobalAveragePooling2D(name="gap"), layers.Dense(3, activation="softmax", name="out")]
    model = lively(sequence((8, 8, 2), inner, separable, *head))
    before = model.get_weights()

    flat = canonical(model)

    np.testing.assert_allclose(flat(samples((8, 8, 2))), model(samples((8, 8, 2))), atol=1e-5)
    tail = ["sep_depthwise", "sep", "sep_silu", "gap", "out", "out_softmax"]
    assert [name.replace("swish", "silu") for name in names(flat)] == ["input", INPUT_GRID, "conv", "relu", *tail]
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_unfolded_keeps_batch_normalization_behind_convolutions_only(sequence, lively, samples):
    dense = [layers.Dense(3, name="d"), layers.BatchNormalization(name="dense_norm")]
    model = lively(sequence((8, 8, 2), *conv_block(), layers.Flatten(name="f"), *dense))

    flat = canonical(model, folded=False)

    assert "norm" in names(flat)
    assert "dense_norm" not in names(flat)
    np.testing.assert_allclose(flat(samples((8, 8, 2))), model(samples((8, 8, 2))), atol=1e-4)


@pytest.mark.parametrize(
    ("size", "kind"), [(8, layers.GlobalAveragePooling2D), ((8, 8), layers.GlobalAveragePooling2D)]
)
def test_pooling_over_the_whole_map_becomes_global(sequence, samples, size, kind):
    model = sequence((8, 8, 2), layers.AveragePooling2D(size, name="pool"), layers.Flatten(name="f"))

    flat = canonical(model)

    assert type(flat.get_layer("pool")) is kind
    np.testing.assert_allclose(flat(samples((8, 8, 2))), model(samples((8, 8, 2))), atol=1e-6)


def test_smaller_pooling_stays(sequence):
    model = sequence((8, 8, 2), layers.AveragePooling2D(4, name="pool"))

    assert type(canonical(model).get_layer("pool")) is layers.AveragePooling2D


def test_ids_for_an_embedding_get_no_grid(sequence):
    model = sequence((5,), layers.Embedding(10, 4, name="words"), layers.GlobalAveragePooling1D(name="gap"))

    assert INPUT_GRID not in names(canonical(model))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_name_their_layer(sequence, bad):
    model = sequence((8, 8, 2), *conv_block(), layers.Conv2D(2, 3, name="broken"))
    model.get_layer("broken").bias.assign([0.0, bad])

    with pytest.raises(ModelError, match=r"layer 'broken' .* NaN or infinity"):
        canonical(model)


def test_models_without_a_graph_are_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ModelError, match="no Functional or Sequential model"):
        canonical(Own(name="own"))
