"""Anomaly detection by an autoencoder: what it reconstructs badly is anomalous."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.evaluation.tasks.base import Flags, flat, within_tolerance


class Anomaly:
    """Values are reconstruction errors, (n,): the mean of the squared differences of output and input."""

    score = "auc"
    is_share = False

    def values(self, x: Array, outputs: Array) -> Array:
        """Return the errors (n,)."""
        outputs = flat(outputs)
        return np.asarray(np.mean((x.reshape(outputs.shape) - outputs) ** 2, axis=1))

    def measure(self, y: Array, values: Array, names: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002
        """Return the area under the ROC curve (AUC), whole and for false-alarm rates up to 10 %, and the mean errors.

        Args:
            y: 1 where the sample is an anomaly, else 0, (n,).
            values: (n,); high means anomalous.
            names: Not used.

        Raises:
            DataError: If all samples are of one kind.
        """
        from sklearn.metrics import roc_auc_score

        if len(np.unique(y)) != 2:
            raise DataError(
                "The test split holds only normal samples or only anomalies; AUC needs both (labels 0 and 1)"
            )
        return {
            "auc": float(roc_auc_score(y, values)),
            "auc_at_10_percent_false_alarms": float(roc_auc_score(y, values, max_fpr=0.1)),
            "mean_error_normal": float(values[y == 0].mean()),
            "mean_error_anomaly": float(values[y == 1].mean()),
        }

    def correct(self, y: Array, values: Array) -> Flags:
        """Return what is on the right side of the threshold with the highest J = sensitivity + specificity - 1, (n,).

        Youden, Cancer 3:32, 1950.
        """
        from sklearn.metrics import roc_curve

        false_alarms, hits, thresholds = roc_curve(y, values)
        return np.asarray((values >= thresholds[np.argmax(hits - false_alarms)]) == (y == 1))

    def agree(self, reference: Array, values: Array) -> Flags:
        """Return which errors lie within `TOLERANCE` of the reference's range, (n,)."""
        return within_tolerance(reference, values)
