"""Optimizers by name. All are Keras' own, at Keras' own settings unless told otherwise."""

from collections.abc import Callable
from functools import partial
from typing import Any

from qatflow.backend import keras
from qatflow.errors import ParamsError, lookup
from qatflow.params.training import TrainingParams
from qatflow.training.nadam import Nadam
from qatflow.training.schedules import make_schedule
from qatflow.training.settings import checked

OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adadelta": keras.optimizers.Adadelta,
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "lion": keras.optimizers.Lion,
    "momentum": partial(keras.optimizers.SGD, momentum=0.9),
    "nadam": Nadam,
    "nesterov": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True),
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
"""Name -> what makes a `keras.optimizers.Optimizer` of a learning rate (a float or a Keras schedule) and settings.

Its arguments with a default, but `RESERVED`, are what `optimizer_settings` may hold.
"""
RESERVED = frozenset(
    {"learning_rate", "name", "jit_compile", "global_clipnorm", "use_ema", "ema_momentum", "ema_overwrite_frequency"}
)
"""Arguments of Keras' optimizers that other parameters set, or that must stay as they are."""


def make_optimizer(training: TrainingParams, steps: int, factor: Any = 1.0) -> keras.optimizers.Optimizer:
    """Return the optimizer for a run of `steps` steps; `factor`, perhaps a variable, multiplies its rate.

    `clip_norm` bounds the norm of all gradients together, which keeps their direction (Pascanu, Mikolov and Bengio,
    "On the difficulty of training recurrent neural networks", 2013). `averaging` is the momentum of Keras' moving
    average of the weights; see `training.averaging`.

    Raises:
        ParamsError: If there is no such optimizer or schedule, or it has no such setting.
    """
    name = training.optimizer
    make = lookup("optimizer", name, OPTIMIZERS)
    settings = checked(f"Optimizer '{name}'", make, training.optimizer_settings, RESERVED)
    average = {"use_ema": True, "ema_momentum": training.averaging, "ema_overwrite_frequency": None}
    others = {"global_clipnorm": training.clip_norm} | (average if training.averaging else {})
    try:
        return make(make_schedule(training, steps, factor), **others, **settings)
    except ValueError as error:
        raise ParamsError(f"Optimizer '{name}': {error}") from None
