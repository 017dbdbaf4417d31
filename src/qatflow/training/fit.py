"""Trains a model, float or fake-quant, on prepared data. The same seed gives the same weights, bit for bit."""

from collections.abc import Mapping, Sequence
from typing import Any

from qatflow.backend import keras
from qatflow.data.prepared import PreparedData, Split
from qatflow.data.streams import to_tf_dataset
from qatflow.params import TrainingParams
from qatflow.progress import Progress, silent
from qatflow.training.averaging import averaging_callbacks
from qatflow.training.callbacks import KeepBest, Watch
from qatflow.training.optimizers import make_optimizer
from qatflow.training.targets import standardized

LOSSES = {
    "classification": "sparse_categorical_crossentropy",
    "regression": "mean_squared_error",
    "anomaly": "mean_squared_error",
}
METRICS = {"classification": ["accuracy"], "regression": [], "anomaly": []}


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
        training: Epochs, batch size, optimizer, learning rate, schedule and averaging.
        seed: Order of the samples; weights and dropout come from the seed given to `backend.start`.
        label: Short phrase for progress, which counts batches.
        progress: Told every 20 batches.

    Returns:
        One dict an epoch: epoch (from 1), loss, for classification accuracy, and the same with `val_` before them.
        The loss of a regression is in standardized targets, see `training.targets`.

    Raises:
        ModelError: If the loss became NaN or infinite.
        ParamsError: If there is no such optimizer or schedule, or it has no such setting.
    """
    steps = -(-data.train.count // training.batch_size)
    optimizer = make_optimizer(training, steps * training.epochs)
    model.compile(optimizer, loss=LOSSES[data.task], metrics=METRICS[data.task])

    def stream(split: Split, order: int | None) -> Any:
        return to_tf_dataset(split, training.batch_size, order, data.task)

    with standardized(model, data) as in_units:
        history = model.fit(
            in_units(stream(data.train, seed)),
            validation_data=in_units(stream(data.val, None)),
            epochs=training.epochs,
            callbacks=[
                *averaging_callbacks(training.averaging),
                Watch(label, training.epochs, steps, progress),
                KeepBest(),
            ],
            verbose=0,
        ).history
    return history_of(history, training.epochs)


def history_of(history: Mapping[str, Sequence[float]], epochs: int) -> list[dict[str, float]]:
    """Return Keras' history, a list a figure, as a dict an epoch."""
    return [
        {"epoch": float(epoch + 1)} | {name: float(values[epoch]) for name, values in history.items()}
        for epoch in range(epochs)
    ]
