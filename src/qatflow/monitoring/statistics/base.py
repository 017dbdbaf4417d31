"""What a drift statistic is: a window of requests against the frozen reference, with a p-value that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.reference import Reference


@dataclass(frozen=True, eq=False)
class Window:
    """Samples that were served one after the other.

    Attributes:
        features: (n, f) float32, `features.describe` of the inputs.
        signals: (n, s) float32, `reference.signals` of the scores.
        classes: (n,) int64, predicted; empty unless the task is classification.
        embedded: (n, e) float32, `features.embed` of the inputs, divided by the reference's scale; None where inputs
            were not kept.
        seed: Of whatever is random in a statistic; equal windows have equal seeds.
    """

    features: Array
    signals: Array
    classes: Array
    embedded: Array | None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.features)

    def rng(self) -> np.random.Generator:
        """Return the source of whatever is random in a statistic of this window."""
        return np.random.default_rng((self.seed, len(self)))


@dataclass(frozen=True)
class Part:
    """One of several tests in a statistic, such as one feature's; `p` is not corrected, `adjusted_p` is."""

    name: str
    value: float
    p: float
    adjusted_p: float


@dataclass(frozen=True)
class Outcome:
    """What a statistic found.

    Attributes:
        value: How far window and reference differ, in the statistic's own unit; of the part that differs most.
        p: Probability of at least such a difference if nothing has drifted, corrected for the number of parts.
        parts: The single tests, where there are several.
    """

    value: float
    p: float
    parts: tuple[Part, ...] = ()


class Statistic(Protocol):
    """Compares a window with the reference.

    If both are samples of the same source, in whatever units and with however many ties, then P(p <= a) is close to a
    for every a from 0.001 to 0.1, and never more than 1.5 times that. A window that has moved far gives a p below
    0.001. Equal arguments give an equal outcome; neither is changed. It takes milliseconds: it runs beside the server.
    """

    def __call__(self, reference: Reference, window: Window) -> Outcome | None:
        """Return the outcome, or None where it does not apply to such a task, or what it needs was not kept."""
