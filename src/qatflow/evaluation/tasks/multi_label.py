"""Multi-label classification: any number of labels for each sample, each told by a sigmoid unit of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.evaluation.tasks.base import Flags, flat
from qatflow.evaluation.tasks.classification import by_name

THRESHOLD = 0.5
"""A label is given where its probability is higher."""


class MultiLabel:
    """Values are the probability of each label, (n, k); y is 0 or 1 for each, (n, k).

    A sample is right where all of its labels are: what scikit-learn's `accuracy_score` counts. A share of single labels
    would hardly notice a model that never gives the rare ones.
    """

    score = "accuracy"
    is_share = True

    def values(self, x: Array, outputs: Array) -> Array:  # noqa: ARG002 (of the protocol)
        """Return the probabilities (n, k)."""
        return flat(outputs)

    def measure(self, y: Array, values: Array, names: Sequence[str]) -> dict[str, Any]:
        """Return accuracy, share of right labels, precision, recall and F1 (macro and per label), and the mean ROC AUC.

        A label that is never given has precision 0. `roc_auc_macro` is over the labels that some samples have and
        others lack; it is left out where there are none.
        """
        from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

        truth, given = y > THRESHOLD, values > THRESHOLD
        figures = precision_recall_fscore_support(truth, given, average=None, zero_division=0)
        means = (float(np.mean(figure)) for figure in figures[:3])
        macro = dict(zip(("precision_macro", "recall_macro", "f1_macro"), means, strict=True))
        areas = [roc_auc_score(t, v) for t, v in zip(truth.T, values.T, strict=True) if t.any() and not t.all()]
        return {
            "accuracy": float(self.correct(y, values).mean()),
            "label_accuracy": float(np.mean(truth == given)),
            **macro,
            **({"roc_auc_macro": float(np.mean(areas))} if areas else {}),
            "per_class": by_name(figures, names),
        }

    def correct(self, y: Array, values: Array) -> Flags:
        """Return where all labels are right, (n,)."""
        return self.agree(y, values)

    def agree(self, reference: Array, values: Array) -> Flags:
        """Return where both give the same labels, (n,)."""
        return np.asarray(((reference > THRESHOLD) == (values > THRESHOLD)).all(axis=1))
