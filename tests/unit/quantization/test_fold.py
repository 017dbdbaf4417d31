import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.models.kernels import KERNELS
from qatflow.quantization.fold import fold, normalizes

layers = keras.layers
ALL = tuple(KERNELS)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((5,), lambda: layers.Dense(4, name="a")),
        ((5,), lambda: layers.Dense(4, use_bias=False, name="a")),
        ((6, 6, 3), lambda: layers.Conv2D(4, 3, name="a")),
        ((6, 6, 3), lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="a")),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}])
def test_the_folded_model_computes_the_same(sequence, samples, shape, layer, settings):
    norm = layers.BatchNormalization(name="norm", **settings)
    model = sequence(shape, layer(), norm, layers.ReLU(name="relu"))

    folded = fold(model, ALL)

    np.testing.assert_allclose(folded(samples(shape)), model(samples(shape)), atol=1e-4)
    assert [layer.name for layer in folded.layers] == ["input", "a", "relu"]


def test_folds_in_sequential_models_and_at_the_end(samples):
    model = keras.Sequential(
        [layers.Input((5,), name="input"), layers.Dense(4, name="a"), layers.BatchNormalization(name="n")]
    )

    folded = fold(model, ALL)

    np.testing.assert_allclose(folded(samples((5,))), model(samples((5,))), atol=1e-5)
    assert [layer.name for layer in folded.layers] == ["input", "a"]


def test_leaves_other_kinds_alone(sequence):
    model = sequence((6, 6, 1), layers.Conv2D(2, 3, name="a"), layers.BatchNormalization(name="norm"))

    folded = fold(model, (layers.Dense,))

    assert [layer.name for layer in folded.layers] == ["input", "a", "norm"]
    assert all(np.array_equal(a, b) for a, b in zip(folded.get_weights(), model.get_weights(), strict=True))


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Conv2D(2, 3, activation="relu", name="a"), layers.BatchNormalization(name="norm")],
        [layers.Conv2D(2, 3, name="a"), layers.ReLU(name="r"), layers.BatchNormalization(name="norm")],
        [layers.Conv2D(2, 3, name="a"), layers.BatchNormalization(axis=1, name="norm")],
        [layers.BatchNormalization(name="norm")],
    ],
)
def test_does_not_fold_what_is_not_linear_before_it(sequence, stack):
    model = sequence((6, 6, 1), *stack)

    assert not normalizes(model.get_layer("norm"), ALL)


def test_does_not_fold_into_a_layer_that_others_read():
    x = layers.Input((5,), name="input")
    a = layers.Dense(5, name="a")(x)
    model = keras.Model(x, layers.Add(name="add")([a, layers.BatchNormalization(name="norm")(a)]))

    assert not normalizes(model.get_layer("norm"), ALL)
