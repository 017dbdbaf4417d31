"""Trains fake-quant models: soft targets from the float model, grids at their own rate, never worse than at first."""

from collections.abc import Sequence

from qatflow.backend import keras
from qatflow.data.streams import Samples
from qatflow.errors import ParamsError
from qatflow.quantization.base import History, Work
from qatflow.quantization.distillation import objective
from qatflow.quantization.oscillation import rules_of
from qatflow.quantization.progressive import Descend
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest
from qatflow.training.distributed.group import group
from qatflow.training.loop import Watched, loss_of, train
from qatflow.training.quantization_aware import make_quantization_aware


def fit_fake_quant(
    model: keras.Model,
    teacher: keras.Model,
    work: Work,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train a fake-quant model in place; it ends with the best state on the validation split, perhaps its first.

    Args:
        model: Fake-quant model, made in the scope of the present group. Its compiled state is replaced.
        teacher: The float model, for distillation.
        work: Data and settings.
        callbacks: Told besides.

    Returns:
        As `training.fit.fit`.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If there is no such optimizer or schedule, or it has no such setting; or if weights are to be
            averaged while a callback changes widths.
    """
    settings, data = work.settings.training, work.data
    if settings.averaging and any(isinstance(callback, Descend) for callback in callbacks):
        raise ParamsError(
            f"{work.label}: quantize.training.averaging {settings.averaging} would average grids of different widths; "
            "set it to 0 for strategies whose widths change while they train"
        )
    wanted = objective(teacher, data, settings)
    validation = Samples(data.val, settings.batch_size, wanted.validation)
    with group().scope():
        optimizer = make_quantization_aware(settings, steps_of(work) * settings.epochs, rules_of(model, settings))
        model.compile(optimizer, loss=wanted.loss, metrics=wanted.metrics)
    best = KeepBest(loss_of(model, validation))
    return train(
        model,
        Samples(data.train, settings.batch_size, wanted.targets, work.seed),
        validation,
        settings.epochs,
        Watched(work.label, work.progress, work.seed),
        [*averaging_callbacks(settings.averaging), *callbacks, best],
    )


def steps_of(work: Work) -> int:
    """Return the batches of one epoch."""
    return -(-work.data.train.count // work.settings.training.batch_size)


def reestimate(model: keras.Model, work: Work) -> None:
    """Set the statistics of batch normalization to their means over some training batches, in training mode.

    Statistics that lag behind the weights cost accuracy at few bits (Nagel et al., "Overcoming Oscillations in
    Quantization-Aware Training", 2022, section 3.3).
    """
    settings = work.settings.training
    inner = [getattr(layer, "layer", layer) for layer in model.layers]
    norms = [layer for layer in inner if isinstance(layer, keras.layers.BatchNormalization)]
    batches = work.data.train.batches(settings.batch_size, work.seed)
    for count, (x, _) in zip(range(settings.reestimate_batches if norms else 0), batches, strict=False):
        for norm in norms:
            norm.momentum = count / (count + 1)
        model(x, training=True)
