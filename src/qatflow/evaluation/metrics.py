"""Figures of merit by the name of the task; `tasks` says what they are.

By scikit-learn's definitions; it is imported where used, for that takes most of a second.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.evaluation.tasks import TASKS

SCORES = {name: task.score for name, task in TASKS.items()}


def judged(task: str, x: Array, outputs: Array) -> Array:
    """Return what a task is judged by, from inputs (n, …) and outputs (n, …) float32; see `tasks.Task.values`.

    Classification: the scores (n, k). Multi-label: the probabilities (n, k). Regression: the values (n, d). Anomaly:
    the reconstruction errors (n,).
    """
    return TASKS[task].values(x, outputs)


def measure(task: str, y: Array, values: Array, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of a task; `values` are what `judged` gives."""
    return TASKS[task].measure(y, values, class_names)


def score_of(task: str, metrics: dict[str, Any]) -> float:
    """Return the one figure that gates compare, higher is better: accuracy, R² or AUC."""
    return float(metrics[SCORES[task]])


def counts_samples(task: str) -> bool:
    """Tell whether the score is the share of samples that are right, so that they can be counted and paired."""
    return TASKS[task].is_share


def correct(task: str, y: Array, values: Array) -> npt.NDArray[np.bool_]:
    """Return which samples a model got right, (n,); `values` are what `judged` gives."""
    return TASKS[task].correct(y, values)
