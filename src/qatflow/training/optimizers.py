"""Optimizers and learning rate schedules by name. All are Keras' own."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qatflow.backend import keras
from qatflow.errors import lookup
from qatflow.params import TrainingParams

LearningRate = Any
"""A float, or a Keras schedule."""

OPTIMIZERS: dict[str, Callable[[LearningRate], keras.optimizers.Optimizer]] = {
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "lion": keras.optimizers.Lion,
    "momentum": partial(keras.optimizers.SGD, momentum=0.9),
    "nadam": keras.optimizers.Nadam,
    "nesterov": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def make_optimizer(training: TrainingParams, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer for a run of `steps` steps.

    Schedule `cosine` lowers the rate to 0 in half a cosine (Loshchilov and Hutter 2016, without restarts).

    Raises:
        ParamsError: If there is no such optimizer.
    """
    rate = training.learning_rate
    scheduled = keras.optimizers.schedules.CosineDecay(rate, steps) if training.schedule == "cosine" else rate
    return lookup("optimizer", training.optimizer, OPTIMIZERS)(scheduled)
