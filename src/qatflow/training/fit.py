"""Trains a model, float or fake-quant, on prepared data. The same seed gives the same weights, bit for bit."""

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.data.augment import check_augmentations
from qatflow.data.prepared import PreparedData, Split
from qatflow.data.streams import Samples
from qatflow.params.training import TrainingParams
from qatflow.progress import Progress, silent
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest
from qatflow.training.distributed.group import group
from qatflow.training.loop import Watched, train
from qatflow.training.losses import loss_of, metrics_of
from qatflow.training.optimizers import make_optimizer
from qatflow.training.targets import standardized


def fit(
    model: keras.Model,
    data: PreparedData,
    training: TrainingParams,
    seed: int,
    label: str,
    progress: Progress = silent,
) -> list[dict[str, float]]:
    """Train the model in place; it ends with the weights of the epoch whose validation loss was lowest.

    Args:
        model: Of the data's input shape and task. Its compiled state is replaced.
        data: Training and validation samples.
        training: Epochs, batch size, optimizer, learning rate, schedule, averaging and augmentation.
        seed: Order of the samples; weights and dropout come from the seed given to `backend.start`.
        label: Short phrase for progress, which counts batches.
        progress: Told every 20 batches.

    Returns:
        One dict an epoch: epoch (from 1), loss, where there are classes accuracy, and the same with `val_` before them.
        The loss of a regression is in standardized targets, see `training.targets`.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If there is no such optimizer, schedule or augmentation, it has no such setting, or samples are no
            images that could be augmented.
    """

    def samples(split: Split, targets: Array, order: int | None, augment: tuple[str, ...] = ()) -> Samples:
        return Samples(split, training.batch_size, None if data.task == "anomaly" else targets, order, augment)

    check_augmentations(training.augment, data.train.x_shape)
    steps = -(-data.train.count // training.batch_size)
    with standardized(model, data) as in_units, group().copied(model) as trained:
        with group().scope():
            optimizer = make_optimizer(training, steps * training.epochs)
            size = model.output_shape[-1]
            trained.compile(optimizer, loss=loss_of(data.task, size), metrics=metrics_of(data.task, size))
        return train(
            trained,
            samples(data.train, in_units(data.train.labels()), seed, training.augment),
            samples(data.val, in_units(data.val.labels()), None),
            training.epochs,
            Watched(label, progress, seed),
            [*averaging_callbacks(training.averaging), KeepBest()],
        )
