"""What a model made of each sample of a split, and how far two models differ on the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qatflow.artifacts import Array, save_arrays
from qatflow.evaluation.bounds import auc_difference, mean_bounds, quantile, share_bounds
from qatflow.evaluation.metrics import correct, judged
from qatflow.tflite.runtime import Runner

BATCH_SIZE = 256
ACCURACY, R2, AUC, ERROR = "accuracy", "r2", "auc", "error"


@dataclass(frozen=True, eq=False)
class Answers:
    """A figure for each of n samples, and what they add up to.

    Attributes:
        metric: `accuracy`, `r2`, `auc`; or `error` for anomaly detection without samples of both kinds.
        merit: (n,) float64. Accuracy: 1 where the answer is right, else 0. R²: the squared error as a share of the
            targets' variance, their mean. AUC and error: the reconstruction error.
        labels: (n,) int64. Accuracy: class ids; zeros where there are none. AUC: 1 for an anomaly, else 0.
        rows: (n,) positions of these samples in their split; None where they are all of it.
    """

    metric: str
    merit: Array
    labels: Array
    rows: Array | None = None

    def on(self, rows: Array | None) -> Answers:
        """Return the answers to the samples at some positions of the split; None leaves them all."""
        return self if rows is None else Answers(self.metric, self.merit[rows], self.labels[rows], rows)

    @property
    def score(self) -> float:
        """The task's figure of merit, higher is better; of `error` its negative."""
        if self.metric == AUC:
            from sklearn.metrics import roc_auc_score

            return float(roc_auc_score(self.labels, self.merit))
        mean = float(self.merit.mean())
        return {ACCURACY: mean, R2: 1.0 - mean, ERROR: -mean}[self.metric]


class Difference(NamedTuple):
    """How much better one model is than another on the same samples.

    Attributes:
        estimate: Of the score.
        low, high: Bounds of the truth, each at the level that was asked for.
        error: Standard error of the estimate; of accuracies, were they equal.
        samples: So many.
    """

    estimate: float
    low: float
    high: float
    error: float
    samples: int


class ClassLoss(NamedTuple):
    """How much less often a model finds a class than another does.

    Attributes:
        label: Class id.
        before, after: Recall of the other and of this model.
        samples: Of the class.
        least: Lower bound of what it truly loses.
        gone: Share of the samples that the other finds and this model does not, whatever it finds in their stead.
    """

    label: int
    before: float
    after: float
    samples: int
    least: float
    gone: float

    def told(self, name: str) -> str:
        """Say it in words and numbers."""
        if self.after >= self.before:
            return f"{self.gone:.1%} of {self.samples} samples of class {name} are found no more, others in their stead"
        return f"recall of class {name} fell from {self.before:.3f} to {self.after:.3f} on {self.samples} samples"


def answers(task: str, y: Array, values: Array) -> Answers:
    """Return the answers that `values`, which are what `metrics.judged` gives, are to labels (n, …)."""
    if task == "regression":
        truth, values = y.reshape(len(y), -1).astype(np.float64), values.reshape(len(y), -1)
        variance = truth.var(axis=0)
        errors = np.square(values - truth) / np.where(variance > 0, variance, 1.0)
        return Answers(R2, errors.mean(axis=1), np.zeros(len(y), np.int64))
    if task == "anomaly":
        labels = y.reshape(-1).astype(np.int64)
        return Answers(AUC if len(np.unique(labels)) > 1 else ERROR, values.astype(np.float64), labels)
    labels = y.astype(np.int64) if y.ndim == 1 else np.zeros(len(y), np.int64)
    return Answers(ACCURACY, correct(task, y, values).astype(np.float64), labels)


def answers_on(task: str, batches: Iterable[tuple[Array, Array]], runner: Runner) -> Answers:
    """Return the answers of a flatbuffer to batches of inputs (b, …) and labels (b, …).

    Raises:
        ConversionError: If it does not run.
    """
    parts = [(y, judged(task, x, runner.predict(x))) for x, y in batches]
    return answers(task, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def difference(a: Answers, b: Answers, alpha: float) -> Difference:
    """Return how much better `a` is than `b`.

    Accuracy: Tango's score interval. R² and error: the mean difference of the errors, see `mean_bounds`. AUC: DeLong's
    variance, but never surer than as many equal answers of the rarer kind would make it.

    Raises:
        ValueError: If they are not of the same samples, not measured alike, or no numbers.
    """
    if a.metric != b.metric or not np.array_equal(a.labels, b.labels):
        raise ValueError("the two were not measured on the same samples in the same way")
    if not (np.isfinite(a.merit).all() and np.isfinite(b.merit).all()):
        raise ValueError("what was measured on single samples is no number")
    count, gain = len(a.merit), a.merit - b.merit
    if a.metric == ACCURACY:
        only_a, only_b = int((gain > 0).sum()), int((gain < 0).sum())
        low, high = share_bounds(only_a, only_b, count, alpha)
        return Difference((only_a - only_b) / count, low, high, (only_a + only_b) ** 0.5 / count, count)
    if a.metric == AUC:
        return _auc_difference(a, b, alpha)
    low, high = mean_bounds(-gain, alpha)
    return Difference(float(-gain.mean()), low, high, float(gain.std(ddof=1)) / count**0.5, count)


def _auc_difference(a: Answers, b: Answers, alpha: float) -> Difference:
    count, rarer = len(a.merit), int(min((a.labels == 1).sum(), (a.labels == 0).sum()))
    if rarer < 2:
        return Difference(a.score - b.score, -1.0, 1.0, 1.0, count)
    estimate, error = auc_difference(a.labels, a.merit, b.merit)
    z = quantile(alpha)
    reach = max(z * error, z * z / (rarer + z * z))
    return Difference(estimate, estimate - reach, estimate + reach, error, count)


def worst_class(reference: Answers, model: Answers, alpha: float) -> ClassLoss | None:
    """Return the class of which the model most surely finds less than the reference; None where there are none."""
    losses = class_losses(reference, model, alpha)
    return max(losses, key=lambda loss: (loss.least, loss.before - loss.after), default=None)


def class_losses(reference: Answers, model: Answers, alpha: float) -> list[ClassLoss]:
    """Return what each class loses; nothing where there are no classes."""
    if reference.metric != ACCURACY or not reference.labels.any():
        return []
    return [_class_loss(reference, model, int(label), alpha) for label in np.unique(reference.labels)]


def _class_loss(reference: Answers, model: Answers, label: int, alpha: float) -> ClassLoss:
    of_class = reference.labels == label
    before, after = reference.merit[of_class], model.merit[of_class]
    lost, won = int((before > after).sum()), int((after > before).sum())
    least, _ = share_bounds(lost, won, len(before), alpha)
    return ClassLoss(label, float(before.mean()), float(after.mean()), len(before), least, lost / len(before))


def samples_needed(found: Difference, margin: float) -> int | None:
    """Return about how many samples would show that the true difference is above -margin, were it as estimated.

    The bound comes nearer as the square root of their number. None where no number would do: the estimate is below.
    """
    room = found.estimate + margin
    return int(np.ceil(found.samples * ((found.estimate - found.low) / room) ** 2)) if room > 0 else None


def save_answers(path: Path, named: Mapping[str, Answers]) -> None:
    """Write answers by name as one npz."""
    save_arrays(
        path,
        {
            f"{name}.{part}": np.asarray(value)
            for name, found in named.items()
            for part, value in (("metric", found.metric), ("merit", found.merit), ("labels", found.labels))
        },
    )


def load_answers(path: Path) -> dict[str, Answers]:
    """Return what `save_answers` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        names = [key.removesuffix(".merit") for key in arrays.files if key.endswith(".merit")]
        return {
            name: Answers(str(arrays[f"{name}.metric"]), arrays[f"{name}.merit"], arrays[f"{name}.labels"])
            for name in names
        }
