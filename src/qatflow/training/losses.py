"""What a model of each task learns to lower, by how it ends."""

from collections.abc import Callable
from typing import Any

from qatflow.backend import keras, tf

Loss = str | Callable[[Any, Any], Any]

ENDS_IN_CLASSES = {"classification", "multi_label"}


def loss_of(task: str, outputs: int) -> Loss:
    """Return the loss of targets as `data` holds them, and outputs (n, outputs): probabilities where there are classes.

    Args:
        task: `classification`, `multi_label`, `regression` or `anomaly`.
        outputs: Of the model; one of a classification is the probability of the second of two classes.
    """
    if task not in ENDS_IN_CLASSES:
        return "mean_squared_error"
    return "sparse_categorical_crossentropy" if task == "classification" and outputs > 1 else binary_crossentropy


def metrics_of(task: str, outputs: int) -> list[Any]:
    """Return what is logged of each epoch besides the loss: `accuracy`, where there are classes.

    Of several labels it is the share of single ones that are right.
    """
    if task not in ENDS_IN_CLASSES:
        return []
    return ["accuracy"] if task == "classification" and outputs > 1 else [accuracy]


def binary_crossentropy(targets: Any, probabilities: Any) -> Any:
    """Return the cross-entropy of each sample, (n,), in nats: the mean over its labels.

    Targets are 0 or 1, or between, of the probabilities' shape (n, k); of a single one (n,) too.
    """
    return keras.losses.binary_crossentropy(_beside(targets, probabilities), probabilities)


def accuracy(targets: Any, probabilities: Any) -> Any:
    """Return the share of labels on the right side of 1/2, (n,); soft targets are rounded."""
    said = _beside(targets, probabilities) > 0.5
    return tf.reduce_mean(tf.cast(tf.equal(said, probabilities > 0.5), tf.float32), axis=-1)


def _beside(targets: Any, probabilities: Any) -> Any:
    return tf.cast(tf.reshape(targets, tf.shape(probabilities)), probabilities.dtype)
