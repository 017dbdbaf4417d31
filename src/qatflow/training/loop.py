"""The one place where Keras trains: on one device or many, from the first epoch or from a checkpoint."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from qatflow.backend import keras
from qatflow.data.streams import Samples, to_tf_dataset
from qatflow.errors import ParamsError
from qatflow.progress import Progress
from qatflow.training.callbacks import Watch
from qatflow.training.distributed.group import group
from qatflow.training.distributed.streams import distributed
from qatflow.training.recovery import History, Recovery


class Watched(NamedTuple):
    """Short phrase for progress, who is told, and the seed of random layers."""

    label: str
    progress: Progress
    seed: int


def train(
    model: keras.Model,
    samples: Samples,
    validation: Samples,
    epochs: int,
    watched: Watched,
    callbacks: Sequence[keras.callbacks.Callback],
) -> History:
    """Train a model in place, in the group of `distributed.group`.

    Args:
        model: Made and compiled in the scope of the group.
        samples: To train on.
        validation: To judge each epoch by.
        epochs: To train in all.
        watched: Label, progress and seed.
        callbacks: In order, before those of this function.

    Returns:
        One dict an epoch: epoch (from 1) and what Keras and the callbacks logged.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If a batch has fewer samples than there are replicas.
    """
    steps = samples.steps(group().replicas)
    with group().scope():
        model.optimizer.build(model.trainable_variables)
    recovery = Recovery(watched.label, callbacks, watched.seed)
    model.fit(
        _stream(samples, recovery.first_epoch),
        validation_data=_stream(validation, weighted=False),
        initial_epoch=recovery.first_epoch,
        epochs=epochs,
        callbacks=[*callbacks, Watch(watched.label, epochs, steps, watched.progress), recovery],
        verbose=0,
        **_limits(steps_per_epoch=samples, validation_steps=validation),
    )
    return recovery.history


def loss_of(model: keras.Model, samples: Samples) -> float:
    """Return the loss of a compiled model."""
    results = model.evaluate(_stream(samples, weighted=False), verbose=0, return_dict=True, **_limits(steps=samples))
    return float(results["loss"])


def _stream(samples: Samples, first_epoch: int = 0, *, weighted: bool = True) -> Any:
    present = group()
    if present.strategy is None:
        return to_tf_dataset(samples, first_epoch)
    if min(samples.batch_size, samples.split.count) < present.replicas:
        raise ParamsError(
            f"batches of {samples.batch_size} of {samples.split.count} samples cannot be divided among "
            f"{present.replicas} replicas; each needs one sample at least"
        )
    return distributed(samples, present.strategy, first_epoch, weighted=weighted)


def _limits(**samples: Samples) -> dict[str, int]:
    """Return how many batches an epoch has: a distributed dataset never ends."""
    present = group()
    return {name: each.steps(present.replicas) for name, each in samples.items() if present.strategy is not None}
