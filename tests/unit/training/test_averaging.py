"""Averages are judged and kept; training goes on from the weights themselves."""

import numpy as np
import pytest

from qatflow.backend import keras, start
from qatflow.models import ARCHITECTURES
from qatflow.params.training import TrainingParams
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest
from qatflow.training.fit import fit
from qatflow.training.optimizers import make_optimizer

X, Y = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)
MOMENTUM = 0.5


class Record(keras.callbacks.Callback):
    """Notes the weight where each epoch begins, after its first batches, and where it ends."""

    def __init__(self):
        super().__init__()
        self.begins, self.steps, self.ends = [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(weight(self.model))

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(weight(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append((weight(self.model), logs["val_loss"]))


def weight(model):
    return float(model.get_weights()[0][0, 0])


@pytest.fixture(scope="module")
def trained():
    """Fit w = 1 to 0 with a quadratic loss, two batches an epoch; give the model and what was noted."""
    start(0)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.layers.Input((1,)), dense])
    training = TrainingParams(optimizer="sgd", schedule="constant", learning_rate=0.1, averaging=MOMENTUM)
    model.compile(make_optimizer(training, 6), "mean_squared_error")
    record = Record()
    callbacks = [*averaging_callbacks(MOMENTUM), record, KeepBest()]
    model.fit(X, Y, batch_size=2, epochs=3, validation_data=(X, Y), callbacks=callbacks, verbose=0)
    return model, record


def test_training_goes_on_from_the_weights_themselves(trained):
    _, record = trained

    assert record.steps == pytest.approx([0.8**step for step in range(1, 7)])
    assert record.begins == pytest.approx([1.0, 0.8**2, 0.8**4])


def test_what_is_judged_and_kept_is_the_average(trained):
    model, record = trained
    average, averages = 1.0, []
    for step in range(1, 7):
        average = MOMENTUM * average + (1 - MOMENTUM) * 0.8**step
        averages.append(average)

    assert [value for value, _ in record.ends] == pytest.approx(averages[1::2])
    assert [loss for _, loss in record.ends] == pytest.approx([value**2 for value in averages[1::2]])
    assert weight(model) == pytest.approx(averages[-1])


def test_judging_twice_does_not_lose_the_weights():
    start(0)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    training = TrainingParams(optimizer="sgd", schedule="constant", learning_rate=0.1, averaging=MOMENTUM)
    model.compile(make_optimizer(training, 1), "mean_squared_error")
    model.train_on_batch(X, Y)
    before = weight(model)
    (judge,) = averaging_callbacks(MOMENTUM)
    judge.set_model(model)

    judge.on_test_begin()
    judge.on_test_begin()
    averaged = weight(model)
    judge.on_epoch_begin(1)

    assert averaged != before
    assert weight(model) == before


def test_no_momentum_no_callback():
    assert averaging_callbacks(0.0) == []


@pytest.mark.slow
def test_a_model_ends_with_the_averages_that_were_judged(digits):
    start(0)
    model = ARCHITECTURES["small_cnn"](digits.input_shape, digits.num_outputs, 0.25, digits.task)
    training = TrainingParams(epochs=4, batch_size=16, learning_rate=0.01, averaging=0.8, optimizer="rmsprop")

    history = fit(model, digits, training, 0, "training")

    x, y = digits.val.arrays()
    assert model.evaluate(x, y, verbose=0)[0] == pytest.approx(min(row["val_loss"] for row in history), rel=1e-4)
    assert history[-1]["val_loss"] < history[0]["val_loss"]
