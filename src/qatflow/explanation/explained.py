"""One explained output of one sample, on all models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.explanation.drift import rank_correlation

FLOAT = "float"
"""The model that the others are compared with."""


@dataclass(frozen=True, eq=False)
class Explained:
    """One output of one sample.

    Attributes:
        sample: Position in the test split.
        output: Which output.
        moving: Which players can matter, (players,) bool.
        values: Name of the model -> attribution, (players,) float64.
        floor: The float model's attribution from other coalitions.
        curves: Name of the model -> as `curves.curves` gives them.
        gradient: Expected gradients of the float Keras model, (players,) float64; None without.
    """

    sample: int
    output: int
    moving: npt.NDArray[np.bool_]
    values: Mapping[str, Array]
    floor: Array
    curves: Mapping[str, Array]
    gradient: Array | None

    def likeness(self) -> float:
        """Return the mean rank correlation of the models' attributions with the float model's; 1 if it is alone."""
        reference, *others = (values[self.moving] for values in self.values.values())
        return float(np.mean([rank_correlation(reference, other) for other in others] or [1.0]))

    def answers(self) -> dict[str, float]:
        """Return what each model answers when all players are present."""
        return {name: float(found[0, 0, 0]) for name, found in self.curves.items()}
