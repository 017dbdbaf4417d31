"""What is said where a flatbuffer does not compute what it should."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array

ALARM = "alarm.json"
"""Beside a flatbuffer: null, or the sentence."""
MIDDLE = 0.99
"""Share of the values that count: a few large ones would hide that all others are lost."""


@dataclass(frozen=True)
class Alarm:
    """A flatbuffer that does not compute what it should.

    Attributes:
        said: What is wrong, with its figure.
        where: The first layer where the two models part, with the cause where it can be told.
        of_conversion: Whether the flatbuffer differs from its own fake-quant model, so that training mends nothing.
    """

    said: str
    where: str
    of_conversion: bool

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.said}; {self.where}"


def noise_of(wanted: Array, given: Array) -> float:
    """Return Σ (given - wanted)² / Σ (wanted - mean)² over the middle of the wanted values; 0 if these are constant."""
    wanted, given = (np.ravel(values).astype(np.float64) for values in (wanted, given))
    away = np.abs(wanted - np.median(wanted))
    middle: Any = away <= np.quantile(away, MIDDLE)
    signal = float(np.sum(np.square(wanted[middle] - wanted[middle].mean())))
    return float(np.sum(np.square(given[middle] - wanted[middle]))) / signal if signal else 0.0
