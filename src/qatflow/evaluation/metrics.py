"""Figures of merit of each task, by scikit-learn's definitions; imported where used, for it takes most of a second."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.evaluation.calibration import expected_calibration_error

SCORES = {"classification": "accuracy", "regression": "r2", "anomaly": "auc"}
TOLERANCE = 0.05
"""Share of the reference's range by which a real value may be off and still counts as the same."""


def judged(task: str, x: Array, outputs: Array) -> Array:
    """Return what a task is judged by, from inputs (n, …) and outputs (n, …) float32.

    Classification: the scores (n, k). Regression: the values (n, d). Anomaly: the reconstruction error, the mean of
    the squared differences of output and input, (n,).
    """
    outputs = outputs.reshape(len(outputs), prod(outputs.shape[1:]))
    if task != "anomaly":
        return outputs
    return np.asarray(np.mean((x.reshape(outputs.shape) - outputs) ** 2, axis=1))


def measure(task: str, y: Array, values: Array, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of a task; `values` are what `judged` gives."""
    if task == "classification":
        return classification(y, values, class_names)
    return regression(y, values) if task == "regression" else anomaly(y, values)


def classification(y: Array, outputs: Array, class_names: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, precision, recall and F1 (macro and per class), calibration error and confusion matrix.

    The matrix's rows are the truth, `ece` is `calibration.expected_calibration_error`.
    A class that is never predicted has precision 0. Macro figures are means over all classes, present or not.

    Args:
        y: Class ids, (n,) int64.
        outputs: A score for each class, (n, k) float32.
        class_names: k names.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    ids, predicted = range(len(class_names)), outputs.argmax(axis=1)
    figures = precision_recall_fscore_support(y, predicted, labels=ids, zero_division=0)
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(class_names, *figures, strict=True)
    }
    means = (float(np.mean(figure)) for figure in figures[:3])
    macro = dict(zip(("precision_macro", "recall_macro", "f1_macro"), means, strict=True))
    matrix = confusion_matrix(y, predicted, labels=ids).tolist()
    accuracy, ece = float(np.mean(predicted == y)), expected_calibration_error(y, outputs)
    return {"accuracy": accuracy, **macro, "ece": ece, "per_class": per_class, "confusion_matrix": matrix}


def regression(y: Array, outputs: Array) -> dict[str, float]:
    """Return MAE and RMSE in the targets' unit, and R², each the mean over the targets; both arrays (n, d).

    Raises:
        DataError: If there are fewer than two samples.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    if len(y) < 2:
        raise DataError(f"The test split has {len(y)} sample; R² needs at least two")
    return {
        "mae": float(mean_absolute_error(y, outputs)),
        "rmse": float(root_mean_squared_error(y, outputs)),
        "r2": float(r2_score(y, outputs)),
    }


def anomaly(y: Array, errors: Array) -> dict[str, float]:
    """Return the area under the ROC curve (AUC), whole and for false-alarm rates up to 10 %, and the mean errors.

    Args:
        y: 1 where the sample is an anomaly, else 0, (n,).
        errors: Reconstruction errors, (n,); high means anomalous.

    Raises:
        DataError: If all samples are of one kind.
    """
    from sklearn.metrics import roc_auc_score

    if len(np.unique(y)) != 2:
        raise DataError("The test split holds only normal samples or only anomalies; AUC needs both (labels 0 and 1)")
    return {
        "auc": float(roc_auc_score(y, errors)),
        "auc_at_10_percent_false_alarms": float(roc_auc_score(y, errors, max_fpr=0.1)),
        "mean_error_normal": float(errors[y == 0].mean()),
        "mean_error_anomaly": float(errors[y == 1].mean()),
    }


def score_of(task: str, metrics: dict[str, Any]) -> float:
    """Return the one figure that gates compare, higher is better: accuracy, R² or AUC."""
    return float(metrics[SCORES[task]])


def correct(task: str, y: Array, values: Array) -> npt.NDArray[np.bool_]:
    """Return which samples a model got right, (n,); `values` are what `judged` gives.

    Classification: the highest score is the label's. Regression: within `TOLERANCE`. Anomaly: on the right side of the
    threshold with the highest J = sensitivity + specificity - 1 (Youden, Cancer 3:32, 1950).
    """
    if task == "classification":
        return np.asarray(values.argmax(axis=1) == y)
    if task == "regression":
        return within_tolerance(y, values)
    from sklearn.metrics import roc_curve

    false_alarms, hits, thresholds = roc_curve(y, values)
    return np.asarray((values >= thresholds[np.argmax(hits - false_alarms)]) == (y == 1))


def within_tolerance(reference: Array, values: Array) -> npt.NDArray[np.bool_]:
    """Return which rows differ in no column by more than `TOLERANCE` of the reference's range in it, (n,)."""
    reference, values = reference.reshape(len(reference), -1), values.reshape(len(values), -1)
    return np.asarray((np.abs(values - reference) <= TOLERANCE * np.ptp(reference, axis=0)).all(axis=1))
