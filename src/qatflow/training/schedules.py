"""Learning rate schedules by name: which part of the learning rate a step uses, by how far the run has come."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qatflow.backend import keras, tf
from qatflow.errors import lookup
from qatflow.params.training import TrainingParams
from qatflow.training.settings import checked


def constant(progress: Any) -> Any:
    """Return 1."""
    return tf.ones_like(progress)


def cosine(progress: Any, *, floor: float = 0.0) -> Any:
    """Return half a cosine from 1 down to `floor` (Loshchilov and Hutter, "SGDR", 2017, eq. 5, without restarts)."""
    return floor + (1 - floor) * 0.5 * (1 + tf.cos(np.float32(np.pi) * progress))


def step(progress: Any, *, drop: float = 0.1, every: float = 1 / 3) -> Any:
    """Return 1, multiplied by `drop` after every share `every` of the run."""
    return tf.pow(tf.cast(drop, tf.float32), tf.floor(progress / every + 1e-5))  # float32 may end just below a share


def exponential(progress: Any, *, end: float = 0.01) -> Any:
    """Return what falls by the same factor in each step, from 1 down to `end`."""
    return tf.pow(tf.cast(end, tf.float32), progress)


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "cosine": cosine,
    "exponential": exponential,
    "step": step,
}
"""Name -> function of the progress, 0 to 1 as a float32 tensor, that gives the share of the learning rate.

Its keyword arguments are what `schedule_settings` may hold.
"""


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule behind a linear warm-up (Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2).

    Step t of the w warm-up steps (from 0) uses (t + 1) / w of the rate; those after it share the schedule evenly.

    Args:
        rate: Highest learning rate.
        steps: Of the whole training; the schedule stays at its end after them.
        warmup: Share of the steps that warm up, below 1.
        shape: Function of the progress after the warm-up.
    """

    def __init__(self, rate: float, steps: int, warmup: float, shape: Callable[[Any], Any]) -> None:
        self._rate, self._shape = rate, shape
        self._warmup = round(steps * warmup)
        self._rest = max(1, steps - self._warmup)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, float32."""
        done = tf.cast(step, tf.float32)
        progress = tf.clip_by_value((done - self._warmup) / self._rest, 0.0, 1.0)
        warm = tf.minimum(1.0, (done + 1) / self._warmup) if self._warmup else 1.0
        return self._rate * warm * self._shape(progress)

    def get_config(self) -> dict[str, Any]:
        """Return what it was made of."""
        return {"rate": self._rate, "warmup_steps": self._warmup, "other_steps": self._rest}


def make_schedule(training: TrainingParams, steps: int, factor: Any = 1.0) -> Schedule:
    """Return the schedule of a run of `steps` steps; `factor`, perhaps a variable, multiplies it.

    Raises:
        ParamsError: If there is no such schedule, or it has no such setting.
    """
    name = training.schedule
    shape = lookup("schedule", name, SCHEDULES)
    settings = checked(f"Schedule '{name}'", shape, training.schedule_settings, reserved=())
    return Schedule(
        training.learning_rate, steps, training.warmup, lambda progress: factor * shape(progress, **settings)
    )
