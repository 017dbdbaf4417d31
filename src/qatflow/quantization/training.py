"""Trains with soft targets from the float model: fake-quant models, and float models that are being compressed."""

from collections.abc import Sequence
from typing import NamedTuple

from qatflow.backend import keras
from qatflow.compression.pruning import Grow
from qatflow.data.augment import check_augmentations
from qatflow.data.streams import Samples
from qatflow.errors import ParamsError
from qatflow.quantization.base import History, Work
from qatflow.quantization.distillation import objective
from qatflow.quantization.oscillation import rules_of
from qatflow.quantization.progressive import Descend
from qatflow.quantization.statistics import Reestimate
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest
from qatflow.training.distributed.group import group
from qatflow.training.loop import Watched, loss_of, train
from qatflow.training.quantization_aware import Rule, make_quantization_aware


class Extras(NamedTuple):
    """What a training has besides: rules of kernels, callbacks, and the first epoch (from 0) that may be kept."""

    rules: Sequence[Rule] = ()
    callbacks: Sequence[keras.callbacks.Callback] = ()
    first_kept: int = 0


def fit_fake_quant(model: keras.Model, teacher: keras.Model, work: Work, extras: Extras | None = None) -> History:
    """Train a fake-quant model in place; it ends with the best state on the validation split, perhaps its first.

    Args:
        model: Fake-quant model, made in the scope of the present group. Its compiled state is replaced.
        teacher: The float model, for distillation.
        work: Data and settings.
        extras: Rules, besides those that the settings ask for, and callbacks.

    Returns:
        As `training.fit.fit`.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If there is no such optimizer, schedule or augmentation, or it has no such setting; if samples are
            no images that could be augmented; or if weights are to be averaged while widths change or weights are
            compressed.
    """
    given = extras or Extras()
    rules = [*given.rules, *rules_of(model, work.settings.training)]
    return _fit(model, teacher, work, given._replace(rules=rules), from_start=True)


def fit_compressed(model: keras.Model, teacher: keras.Model, work: Work, extras: Extras) -> History:
    """Train a float model in place whose weights are being compressed; it ends with its best whole epoch from
    `extras.first_kept` on. See `fit_fake_quant`.
    """
    return _fit(model, teacher, work, extras, from_start=False)


def _fit(model: keras.Model, teacher: keras.Model, work: Work, extras: Extras, *, from_start: bool) -> History:
    settings, data = work.settings.training, work.data
    _check_averaging(work, extras)
    check_augmentations(settings.augment, data.train.x_shape)
    wanted = objective(teacher, data, settings, model.output_shape[-1])
    validation = Samples(data.val, settings.batch_size, wanted.validation)
    with group().scope():
        optimizer = make_quantization_aware(settings, steps_of(work) * settings.epochs, extras.rules)
        model.compile(optimizer, loss=wanted.loss, metrics=wanted.metrics)
    best = KeepBest(loss_of(model, validation)) if from_start else KeepBest(first=extras.first_kept)
    statistics = [Reestimate(work)] if from_start and settings.reestimate_batches else []
    return train(
        model,
        Samples(data.train, settings.batch_size, wanted.targets, work.seed, settings.augment, wanted.answer),
        validation,
        settings.epochs,
        Watched(work.label, work.progress, work.seed),
        [*averaging_callbacks(settings.averaging), *statistics, *extras.callbacks, best],
    )


def _check_averaging(work: Work, extras: Extras) -> None:
    changing = any(isinstance(callback, (Descend, Grow)) for callback in extras.callbacks)
    if work.settings.training.averaging and changing:
        raise ParamsError(
            f"{work.label}: quantize.training.averaging {work.settings.training.averaging} would average weights of "
            "other sparsity, or grids of other widths; set it to 0 for strategies that prune or change widths"
        )


def steps_of(work: Work) -> int:
    """Return the batches of one epoch."""
    return -(-work.data.train.count // work.settings.training.batch_size)
