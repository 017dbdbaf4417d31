"""What a task is: what the outputs of its models mean, and what they are judged by."""

from collections.abc import Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array

Flags = npt.NDArray[np.bool_]
TOLERANCE = 0.05
"""Share of the reference's range by which a real value may be off and still counts as the same."""


class Task(Protocol):
    """Reads output vectors. `values` are what `values` gives: nothing else looks at raw outputs.

    Attributes:
        score: Name of the figure of merit among those of `measure`; higher is better.
        is_share: Whether that is the share of samples that are right, which `correct` tells one by one.
    """

    score: str
    is_share: bool

    def values(self, x: Array, outputs: Array) -> Array:
        """Return what the task is judged by, (n, …), from inputs (n, …) and outputs (n, …) float32."""
        ...

    def measure(self, y: Array, values: Array, names: Sequence[str]) -> dict[str, Any]:
        """Return all figures.

        Args:
            y: Labels, (n, …).
            values: (n, …).
            names: Of the classes or labels; empty where the task has none.

        Raises:
            DataError: If the labels do not allow the task's score.
        """
        ...

    def correct(self, y: Array, values: Array) -> Flags:
        """Return which samples are right, (n,)."""
        ...

    def agree(self, reference: Array, values: Array) -> Flags:
        """Return on which samples two models say the same, (n,)."""
        ...


def flat(outputs: Array) -> Array:
    """Return outputs (n, …) as (n, k)."""
    return outputs.reshape(len(outputs), prod(outputs.shape[1:]))


def within_tolerance(reference: Array, values: Array) -> Flags:
    """Return which rows differ in no column by more than `TOLERANCE` of the reference's range in it, (n,)."""
    reference, values = reference.reshape(len(reference), -1), values.reshape(len(values), -1)
    return np.asarray((np.abs(values - reference) <= TOLERANCE * np.ptp(reference, axis=0)).all(axis=1))
