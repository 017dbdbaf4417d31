"""Trains fake-quant models: soft targets from the float model, grids at their own rate, never worse than at first."""

from collections.abc import Sequence

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData, Split
from qatflow.data.streams import Samples
from qatflow.errors import ParamsError
from qatflow.quantization.base import History, Work
from qatflow.quantization.oscillation import rules_of
from qatflow.quantization.progressive import Descend
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest
from qatflow.training.distributed.group import group
from qatflow.training.loop import Watched, loss_of, train
from qatflow.training.quantization_aware import make_quantization_aware

LOSSES = {
    "classification": "categorical_crossentropy",
    "regression": "mean_squared_error",
    "anomaly": "mean_squared_error",
}
BATCH_SIZE = 256


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
    validation = Samples(data.val, settings.batch_size, hard_targets(data.val, data))
    targets = soft_targets(teacher, data, settings.distillation)
    with group().scope():
        optimizer = make_quantization_aware(settings, steps_of(work) * settings.epochs, rules_of(model, settings))
        model.compile(optimizer, loss=LOSSES[data.task], metrics=_metrics(data))
    best = KeepBest(loss_of(model, validation))
    return train(
        model,
        Samples(data.train, settings.batch_size, targets, work.seed),
        validation,
        settings.epochs,
        Watched(work.label, work.progress, work.seed),
        [*averaging_callbacks(settings.averaging), *callbacks, best],
    )


def steps_of(work: Work) -> int:
    """Return the batches of one epoch."""
    return -(-work.data.train.count // work.settings.training.batch_size)


def soft_targets(teacher: keras.Model, data: PreparedData, share: float) -> Array:
    """Return what the training split's targets and the teacher's outputs give together, (n, …) float32.

    (1 - share) * target + share * output: for cross-entropy and squared error alike this is the weighted sum of the
    two losses (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, at temperature 1).
    """
    targets = hard_targets(data.train, data)
    if not share:
        return targets
    batches = (x for x, _ in data.train.batches(BATCH_SIZE))
    outputs = np.concatenate([teacher.predict_on_batch(x) for x in batches]).reshape(targets.shape)
    return np.asarray((1 - share) * targets + share * outputs, np.float32)


def hard_targets(split: Split, data: PreparedData) -> Array:
    """Return a split's targets as the loss takes them: one-hot, real, or the inputs themselves; float32."""
    if data.task == "classification":
        return np.eye(data.num_outputs, dtype=np.float32)[split.labels()]
    return np.asarray(split.arrays()[0] if data.task == "anomaly" else split.labels(), np.float32)


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


def _metrics(data: PreparedData) -> list[str]:
    return ["accuracy"] if data.task == "classification" else []
