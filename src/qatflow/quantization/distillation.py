"""What fake-quant models learn: the data's own targets, and the answers of a teacher."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.data.prepared import PreparedData, Split
from qatflow.evaluation.metrics import judged
from qatflow.params.quantize import QatParams
from qatflow.training.losses import loss_of, metrics_of

BATCH_SIZE = 256
TINY = 1e-7


class Objective(NamedTuple):
    """What is learned.

    Attributes:
        targets: Of the training split, in stored order.
        validation: Targets of the validation split, in stored order.
        loss: Takes both.
        metrics: Take both.
        answer: Puts the teacher's answers to what the student sees into targets; see `data.streams.Samples`. None where
            `targets` hold the answers already.
    """

    targets: Array
    validation: Array
    loss: Any
    metrics: list[Any]
    answer: Callable[[Array, Array], Array] | None = None


def objective(teacher: keras.Model, data: PreparedData, settings: QatParams, outputs: int) -> Objective:
    """Return what is learned by a model of so many outputs from a teacher: anything with `predict_on_batch`.

    Other threads may call it.

    At temperature 1 cross-entropy is linear in its targets, and so is the gradient of a squared error: one mean of
    targets and answers does. Else both are kept, side by side, for `distilling`. Where samples are augmented, the
    teacher answers to the view that the student sees (Beyer et al., "Knowledge Distillation: A Good Teacher is Patient
    and Consistent", 2022).
    """
    share, classes = settings.distillation, data.task == "classification"
    plain = settings.distillation_temperature == 1 and settings.distillation_loss == "cross_entropy"
    if not share or not classes or plain:
        own, validation = (hard_targets(split, data, outputs) for split in (data.train, data.val))
        loss = loss_of(data.task, outputs)
        loss = "categorical_crossentropy" if loss == "sparse_categorical_crossentropy" else loss
        found = Objective(own, validation, loss, metrics_of(data.task, outputs))
        return _taught(found, teacher, data, settings, partial(_mixed, share))
    own, validation = (hard_targets(split, data, data.num_outputs) for split in (data.train, data.val))
    both, apart = (np.concatenate([each, 0 * each], axis=1) for each in (own, validation))
    soft = distilling(share, settings.distillation_temperature, settings.distillation_loss)
    return _taught(Objective(both, apart, soft, [_accuracy]), teacher, data, settings, _beside)


def _mixed(share: float, targets: Array, taught: Array) -> Array:
    return np.asarray((1 - share) * targets + share * taught.reshape(targets.shape), np.float32)


def _beside(targets: Array, taught: Array) -> Array:
    """Put answers into the second half of targets (n, 2 k)."""
    scores = judged("classification", targets, taught)
    return np.concatenate([targets[:, : scores.shape[1]], scores], axis=1).astype(np.float32)


def _taught(
    found: Objective,
    teacher: keras.Model,
    data: PreparedData,
    settings: QatParams,
    merge: Callable[[Array, Array], Array],
) -> Objective:
    """Return an objective with a teacher's answers: given once, or to each view of the samples anew."""
    taught, inputs = settings.distillation > 0, data.task == "anomaly"

    def answer(x: Array, targets: Array) -> Array:
        own = x if inputs else targets
        return merge(own, teacher.predict_on_batch(x)) if taught else own

    if settings.augment:
        return found._replace(answer=answer if taught or inputs else None)
    return found._replace(targets=merge(found.targets, answers(teacher, data.train))) if taught else found


def answers(teacher: keras.Model, split: Split) -> Array:
    """Return a teacher's outputs for a split, in stored order, (n, …) float32."""
    return np.concatenate([teacher.predict_on_batch(x) for x, _ in split.batches(BATCH_SIZE)])


def hard_targets(split: Split, data: PreparedData, outputs: int) -> Array:
    """Return a split's targets as the loss of so many outputs takes them: one-hot (the second class of one output),
    real, or the inputs themselves; float32.
    """
    if data.task == "classification":
        return np.eye(data.num_outputs, dtype=np.float32)[split.labels()][:, -outputs:]
    return np.asarray(split.arrays()[0] if data.task == "anomaly" else split.labels(), np.float32)


def distilling(share: float, temperature: float, kind: str) -> Callable[[Any, Any], Any]:
    """Return a loss of targets (n, 2 k), one-hot and the teacher's probabilities, and the student's (n, k).

    (1 - share) * cross-entropy + share * term. Term `cross_entropy`: T^2 times that of both distributions softened,
    softmax(log p / T) (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015). Term `logits`:
    the mean squared difference of the logits, up to the constant that probabilities do not tell (Ba and Caruana, "Do
    Deep Nets Really Need to be Deep?", 2014). Rows without a teacher, all zero, have the cross-entropy alone.
    """

    def loss(targets: Any, probabilities: Any) -> Any:
        probabilities = _of_all_classes(probabilities)
        own, taught = tf.split(targets, 2, axis=-1)
        student, teacher = (tf.math.log(tf.maximum(values, TINY)) for values in (probabilities, taught))
        hard = -tf.reduce_sum(own * student, axis=-1)
        if kind == "cross_entropy":
            soft = tf.nn.softmax(teacher / temperature) * tf.nn.log_softmax(student / temperature)
            term = -(temperature**2) * tf.reduce_sum(soft, axis=-1)
        else:
            term = tf.reduce_mean((_centered(student) - _centered(teacher)) ** 2, axis=-1)
        return tf.where(tf.reduce_sum(taught, axis=-1) > 0, (1 - share) * hard + share * term, hard)

    return loss


def _of_all_classes(probabilities: Any) -> Any:
    """Do as `evaluation.tasks.Classification.values` does, (n, k)."""
    two = tf.concat([1 - probabilities, probabilities], axis=-1)
    return two if probabilities.shape[-1] == 1 else probabilities


def _centered(values: Any) -> Any:
    return values - tf.reduce_mean(values, axis=-1, keepdims=True)


def _accuracy(targets: Any, probabilities: Any) -> Any:
    own, _ = tf.split(targets, 2, axis=-1)
    return keras.metrics.categorical_accuracy(own, _of_all_classes(probabilities))


_accuracy.__name__ = "accuracy"
