import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.user_model import check_shapes, fit_to_task

layers = keras.layers


def sequential(*stack):
    return keras.Sequential([layers.Input((4,), name="input"), *stack], name="mine")


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Dense(3, activation="softmax", name="d")],
        [layers.Dense(3, name="d"), layers.Softmax(name="s")],
        [layers.Dense(3, name="d"), layers.Activation("softmax", name="s")],
        [keras.Sequential([layers.Input((4,)), layers.Dense(3, activation="softmax", name="d")], name="inner")],
    ],
)
def test_leaves_classifiers_as_they_are(stack):
    model = sequential(*stack)

    assert fit_to_task(model, (4,), 3, "classification") is model


def test_puts_a_softmax_behind_logits():
    model = sequential(layers.Dense(3, name="d"))
    x = np.ones((2, 4), np.float32)

    fitted = fit_to_task(model, (4,), 3, "classification")

    np.testing.assert_allclose(fitted(x), keras.activations.softmax(model(x)), atol=1e-6)
    assert fitted.name == "mine"


@pytest.mark.parametrize(("task", "outputs"), [("regression", 3), ("anomaly", 4)])
def test_leaves_other_tasks_linear(task, outputs):
    model = sequential(layers.Dense(outputs, name="d"))

    assert fit_to_task(model, (4,), outputs, task) is model


@pytest.mark.parametrize(
    ("shape", "outputs", "task", "message"),
    [
        ((5,), 3, "classification", r"takes \(4,\), but classification on these data needs \(5,\)"),
        ((4,), 2, "classification", r"gives \(3,\), but classification on these data needs \(2,\)"),
        ((4,), 4, "anomaly", r"gives \(3,\), but anomaly on these data needs \(4,\)"),
    ],
)
def test_refuses_other_shapes(shape, outputs, task, message):
    with pytest.raises(ModelError, match=message):
        fit_to_task(sequential(layers.Dense(3, name="d")), shape, outputs, task)


def test_refuses_two_inputs():
    a, b = layers.Input((4,)), layers.Input((4,))

    with pytest.raises(ModelError, match="2 inputs and 1 outputs"):
        fit_to_task(keras.Model([a, b], layers.Add()([a, b])), (4,), 4, "regression")


def test_refuses_shapes_that_are_not_fixed():
    x = layers.Input((None, 4))

    with pytest.raises(ModelError, match=r"takes \(None, 4\); TFLite needs a number in place of each None"):
        check_shapes(keras.Model(x, layers.GlobalAveragePooling1D()(x)))
    with pytest.raises(ModelError, match=r"takes \(None, 4\); TFLite needs a number in place of each None"):
        fit_to_task(keras.Model(x, layers.LSTM(3)(x)), (6, 4), 3, "classification")
