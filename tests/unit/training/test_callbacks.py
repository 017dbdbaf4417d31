import math

import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.training.callbacks import KeepBest, Watch


@pytest.fixture
def model():
    return keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])


def weight(model):
    return float(model.get_weights()[0][0, 0])


def test_keep_best_puts_back_the_weights_of_the_lowest_validation_loss(model):
    keep = KeepBest()
    keep.set_model(model)

    keep.on_train_begin()
    for epoch, loss in enumerate([3.0, 1.0, 2.0]):
        model.set_weights([np.full((1, 1), epoch)])
        keep.on_epoch_end(epoch, {"val_loss": loss})
    keep.on_train_end()

    assert weight(model) == 1.0


@pytest.mark.parametrize(("name", "value"), [("loss", math.nan), ("val_loss", math.inf)])
def test_watch_ends_a_training_whose_loss_is_lost(name, value):
    watch = Watch("training", 5, 10, lambda *_: None)
    watch.on_epoch_begin(2)

    with pytest.raises(ModelError, match=f"{name} became {value} in epoch 3"):
        watch.on_epoch_end(2, {"accuracy": 0.5, name: value})


@pytest.mark.parametrize(("losses", "expected"), [([3.0, 2.5], 7.0), ([3.0, 1.0, 2.0], 1.0), ([math.nan], 7.0)])
def test_keep_best_puts_back_the_first_weights_if_no_epoch_was_better(model, losses, expected):
    model.set_weights([np.full((1, 1), 7.0)])
    keep = KeepBest(2.0)
    keep.set_model(model)

    keep.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.set_weights([np.full((1, 1), epoch)])
        keep.on_epoch_end(epoch, {"val_loss": loss})
    keep.on_train_end()

    assert weight(model) == expected


def test_keep_best_forgets_the_former_training(model):
    keep = KeepBest(2.0)
    keep.set_model(model)
    for first, loss in ((1.0, 0.5), (5.0, 1.5)):
        model.set_weights([np.full((1, 1), first)])
        keep.on_train_begin()
        model.set_weights([np.full((1, 1), first + 1)])
        keep.on_epoch_end(0, {"val_loss": loss})
        keep.on_train_end()

    assert weight(model) == 6.0
