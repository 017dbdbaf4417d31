"""How far two models say the same about the same inputs."""

from collections import Counter

import numpy as np

from qatflow.artifacts import Array
from qatflow.evaluation.tasks import TASKS

LSB_LIMIT = 16
"""Differences beyond it are counted at it."""


def agreement(task: str, reference: Array, values: Array) -> float:
    """Return the share of samples on which two models agree; both arrays are what `metrics.judged` gives.

    Classification: both pick the same class. Multi-label: both give the same labels. Else: within
    `tasks.base.TOLERANCE` of the reference's range.
    """
    return float(np.mean(TASKS[task].agree(reference, values)))


def lsb_histogram(a: Array, b: Array, scale: float) -> dict[str, int]:
    """Return how many values of `a` lie so many steps of `scale` above those of `b`, rounded, from -16 to 16.

    The outermost steps count everything beyond them. Steps that do not occur are left out.
    """
    steps = np.rint((a.astype(np.float64) - b) / scale).clip(-LSB_LIMIT, LSB_LIMIT).astype(int)
    return {str(step): count for step, count in sorted(Counter(steps.ravel().tolist()).items())}
