"""Classification: one class for each sample."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.evaluation.calibration import expected_calibration_error
from qatflow.evaluation.tasks.base import Flags, flat


class Classification:
    """Values are a score for each class, (n, k); the highest is the answer.

    A model of two classes may give the probability p of the second one alone (one sigmoid unit): its scores are 1 - p
    and p. The first class wins where both are 1/2, so that the second one needs p > 1/2, as in Keras.
    """

    score = "accuracy"
    is_share = True

    def values(self, x: Array, outputs: Array) -> Array:  # noqa: ARG002 (of the protocol)
        """Return the scores (n, k)."""
        outputs = flat(outputs)
        return outputs if outputs.shape[1] > 1 else np.concatenate([1 - outputs, outputs], axis=1)

    def measure(self, y: Array, values: Array, names: Sequence[str]) -> dict[str, Any]:
        """Return accuracy, precision, recall and F1 (macro and per class), calibration error and confusion matrix.

        The matrix's rows are the truth, `ece` is `calibration.expected_calibration_error`; of two classes `roc_auc`
        too. A class that is never predicted has precision 0. Macro figures are means over all classes, present or not.
        """
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

        ids, predicted = range(len(names)), values.argmax(axis=1)
        figures = precision_recall_fscore_support(y, predicted, labels=ids, zero_division=0)
        means = (float(np.mean(figure)) for figure in figures[:3])
        macro = dict(zip(("precision_macro", "recall_macro", "f1_macro"), means, strict=True))
        two = len(names) == 2 and len(np.unique(y)) == 2
        return {
            "accuracy": float(np.mean(predicted == y)),
            **macro,
            **({"roc_auc": float(roc_auc_score(y, values[:, 1] - values[:, 0]))} if two else {}),
            "ece": expected_calibration_error(y, values),
            "per_class": by_name(figures, names),
            "confusion_matrix": confusion_matrix(y, predicted, labels=ids).tolist(),
        }

    def correct(self, y: Array, values: Array) -> Flags:
        """Return where the highest score is the label's, (n,)."""
        return np.asarray(values.argmax(axis=1) == y)

    def agree(self, reference: Array, values: Array) -> Flags:
        """Return where both pick the same class, (n,)."""
        return np.asarray(reference.argmax(axis=1) == values.argmax(axis=1))


def by_name(figures: Sequence[Array], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return scikit-learn's precision, recall, F1 and support, each (k,), by the names of the k classes."""
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(names, *figures, strict=True)
    }
