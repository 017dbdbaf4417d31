"""Group normalization is written so that TFLite can express it, and computes the same."""

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.group_norm import without_group_norms
from qatflow.models.user_model import fit_to_task
from qatflow.tflite.convert import convert_integer
from qatflow.tflite.runtime import Runner

layers = keras.layers


def normalizing(shape, *stack):
    x = inputs = layers.Input(shape, name="input")
    for layer in stack:
        x = layer(x)
    model = keras.Model(inputs, layers.Dense(2, name="out")(layers.Flatten(name="f")(x)), name="mine")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0.5, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("shape", [(4, 5, 8), (6, 8)])
@pytest.mark.parametrize("settings", [{"groups": 4}, {"groups": -1}, {"groups": 1, "scale": False, "epsilon": 0.1}])
def test_it_computes_the_same(shape, settings):
    model = normalizing(shape, layers.GroupNormalization(**settings, name="g"))
    x = np.random.default_rng(1).normal(2, 3, (4, *shape)).astype(np.float32)

    np.testing.assert_allclose(without_group_norms(model)(x), model(x), rtol=1e-4, atol=1e-4)


def test_tflite_quantizes_what_a_user_brings():
    model = normalizing((4, 4, 6), layers.Conv2D(8, 3, padding="same", name="c"), layers.GroupNormalization(2))
    x = np.random.default_rng(1).normal(size=(40, 4, 4, 6)).astype(np.float32)

    runner = Runner(convert_integer(fit_to_task(model, (4, 4, 6), 2, "regression"), x))

    assert np.abs(runner.predict(x) - model(x)).max() < 0.05 * np.ptp(model(x))


def test_other_axes_are_refused_with_what_would_be_right():
    with pytest.raises(ModelError, match=r"'g' normalizes groups along axis 1; .* give it axis=-1"):
        without_group_norms(normalizing((4, 5, 8), layers.GroupNormalization(2, axis=1, name="g")))


def test_models_without_any_are_left_alone():
    model = normalizing((4, 4, 6))

    assert without_group_norms(model) is model
