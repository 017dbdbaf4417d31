"""Watches that no class pays for the others: where one dominates, the score hides what a rare one loses."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData, Split
from qatflow.evaluation.answers import Answers, ClassLoss, answers, class_losses, worst_class
from qatflow.evaluation.metrics import judged
from qatflow.tflite.runtime import Runner

LEVEL = 0.05
"""In so many cases at most a class that loses no more than is allowed is taken for one that does."""
ENOUGH = 100
"""Validation samples of a class that tell by themselves what it loses."""
IMBALANCE = 10
"""A class of fewer samples is rare if the largest has so many times more."""
MIXTURES = 4000
"""Mixtures for each rare class: they tell a loss of recall to about a third of a point."""
MOST, MOST_BYTES = 20_000, 64 << 20
"""Mixtures at most."""


class ClassGuard:
    """Compares candidates with the float flatbuffer, class by class.

    A rare class has too few validation samples, and often the model knows them by heart, for a foreign model has seen
    all that is not the test split. So mixtures of its training samples with others stand for those that it has not
    seen (mixup: Zhang et al., ICLR 2018): both models meet the same ones, near where they change their mind. They are
    so many that what is gone counts as it is, and not only what is surely lost. What is found in its stead does not
    make up for it: a trained candidate has seen the samples that they are made of, and of few unseen ones each that
    changes sides may tell.

    Args:
        data: Of any task; where it is no classification of one class a sample, no class can lose.
        float_model: The float flatbuffer.
        values: What it is judged by on the validation split, see `metrics.judged`.
    """

    def __init__(self, data: PreparedData, float_model: bytes, values: Array) -> None:
        self._data, self._y, self._known = data, data.val.labels(), data.task == "classification"
        self._rare = rare_classes(self._y, data.train.labels()) if self._known else np.empty(0, np.int64)
        self._mixed = mixtures(data.train, self._rare) if len(self._rare) else None
        self._float = self._answers(float_model, values)

    def loss(self, model: bytes, values: Array) -> ClassLoss | None:
        """Return the class that loses most for all that is known, on the validation split and the mixtures.

        Its `least` is what counts: of a rare class all that is gone, of others what is surely lost.

        Args:
            model: The flatbuffer.
            values: What it is judged by on the validation split.
        """
        if not self._known:
            return None
        losses = class_losses(self._float, self._answers(model, values), LEVEL)
        counted = [one._replace(least=one.gone) if one.label in self._rare else one for one in losses]
        return max(counted, key=lambda one: one.least, default=None)

    def told(self, loss: ClassLoss, where: str) -> str:
        """Say what a class loses."""
        return f"{loss.told(self._data.class_names[loss.label])} ({where})"

    def on_test(self, values: Array, reference: Array, max_drop: float) -> tuple[str, ...]:
        """Return what a reader should know of the worst class on the test split; nothing if it loses little.

        Args:
            values: What the model is judged by there.
            reference: The same of the float flatbuffer.
            max_drop: Loss of recall that is little.
        """
        task, y = self._data.task, self._data.test.labels()
        before, after = (answers(task, y, each) for each in (reference, values))
        worst = worst_class(before, after, LEVEL)
        if worst is None or worst.before - worst.after <= max_drop:
            return ()
        return (self.told(worst, "test split" if worst.least > max_drop else "test split; it may be chance"),)

    def _answers(self, model: bytes, values: Array) -> Answers:
        task, found = self._data.task, answers(self._data.task, self._y, values)
        if self._mixed is None:
            return found
        x, labels = self._mixed
        more = answers(task, labels, judged(task, x, Runner(model).predict(x)))
        pairs = ((found.merit, more.merit), (found.labels, more.labels))
        merit, of = (np.concatenate(pair) for pair in pairs)
        return replace(found, merit=merit, labels=of)


def rare_classes(val: Array, train: Array) -> Array:
    """Return ids of classes (m,) with few validation samples beside a class with many, the rarest first.

    Args:
        val: Class ids of the validation split, (n,).
        train: Class ids of the training split, (k,).
    """
    counts = np.bincount(train)
    checked = np.bincount(val, minlength=len(counts))
    is_rare = (counts > 0) & (checked[: len(counts)] < ENOUGH) & (counts * IMBALANCE <= counts.max())
    return np.asarray(np.flatnonzero(is_rare)[np.argsort(counts[is_rare], kind="stable")])


def mixtures(train: Split, rare: Array) -> tuple[Array, Array]:
    """Return mixtures (m, *shape) float32 of samples of rare classes with others, and the rare class ids (m,).

    The rare sample has the larger part, drawn evenly from 1/2 to 1; the draw has a fixed seed.
    """
    rng, labels = np.random.default_rng(0), train.labels()
    room = min(MOST, MOST_BYTES // (4 * prod(train.x_shape)))
    each = max(1, min(MIXTURES, room // len(rare)))
    chosen = np.concatenate([rng.choice(np.flatnonzero(labels == label), each) for label in rare[:room]])
    own, _ = train.take(chosen)
    other, _ = train.take(rng.integers(0, train.count, len(chosen)))
    share = rng.uniform(0.5, 1.0, (len(chosen), *[1] * len(train.x_shape))).astype(np.float32)
    return share * own + (1 - share) * other, labels[chosen]
