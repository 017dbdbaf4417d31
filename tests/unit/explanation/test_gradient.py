"""Expected gradients of Keras models, and SHAP values of the flatbuffer that one becomes."""

import numpy as np
import pytest

from qatflow.explanation.game import Game, answer_of
from qatflow.explanation.players import divide
from qatflow.explanation.shapley import attribute

pytestmark = pytest.mark.slow
RANDOM = np.random.default_rng(2)
X, FILL = RANDOM.normal(size=6).astype(np.float32), RANDOM.normal(size=(5, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def keras():
    from qatflow.backend import keras, start

    start(0)
    return keras


@pytest.fixture(scope="module")
def dense(keras):
    """A linear model with two outputs."""
    return keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(2, bias_initializer="ones")])


def test_of_a_linear_model_gradients_and_shap_of_its_flatbuffer_are_the_analytic_values(dense):
    from qatflow.explanation.gradient import Gradients
    from qatflow.tflite.convert import convert_float

    game = Game(answer_of(convert_float(dense), "regression"), [0, 1], X, FILL, divide((6,), 1))
    shap_values = attribute(game, 32, (0,))

    for output in range(2):
        analytic = dense.layers[-1].kernel.numpy()[:, output] * (X - FILL.mean(axis=0))
        np.testing.assert_allclose(shap_values[:, output], analytic, atol=1e-3)
        np.testing.assert_allclose(Gradients(dense, "regression")(X, FILL, output), analytic, atol=1e-4)


def test_they_sum_to_the_output_less_its_mean_over_the_fillers(keras):
    from qatflow.explanation.gradient import Gradients

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="tanh"), layers.Flatten(), layers.Dense(3, "softmax")]
    )
    x, fill = RANDOM.normal(size=(6, 6, 1)), RANDOM.normal(size=(4, 6, 6, 1))
    x, fill = x.astype(np.float32), fill.astype(np.float32)

    found = Gradients(model, "classification")(x, fill, 2)

    expected = model.predict(x[None], verbose=0)[0, 2] - model.predict(fill, verbose=0)[:, 2].mean()
    assert found.shape == (6, 6, 1)
    assert found.sum() == pytest.approx(expected, abs=5e-3)


def test_of_an_autoencoder_the_error_has_gradients(keras):
    from qatflow.explanation.gradient import Gradients

    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(3), keras.layers.Dense(6)])

    def error(x):
        return ((model.predict(x, verbose=0) - x) ** 2).mean(axis=1)

    found = Gradients(model, "anomaly")(X, FILL, 0)

    assert found.sum() == pytest.approx(error(X[None])[0] - error(FILL).mean(), abs=2e-3)
