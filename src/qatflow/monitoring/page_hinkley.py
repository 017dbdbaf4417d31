"""Page and Hinkley's test: cumulated deviations from the mean of a stream, in both directions. State is JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST, DELTA, THRESHOLD, MEMORY = 30, 0.005, 50.0, 1 - 0.0001


class PageHinkley:
    """Detects a change of the mean of a stream (Page, Biometrika 41, 1954), as river 0.26 does.

    With these settings, which are river's, it sees lasting changes of an error rate; ADWIN is quicker. After a change
    it begins anew.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._begin(state or {})

    def _begin(self, state: Mapping[str, Any]) -> None:
        self.count: int = state.get("count", 0)
        self.mean: float = state.get("mean", 0.0)
        self.rise: float = state.get("rise", 0.0)
        self.fall: float = state.get("fall", 0.0)
        self.lowest: float | None = state.get("lowest")
        self.highest: float = state.get("highest", -1.0)

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON-like values, from which the constructor goes on."""
        return dict(vars(self))

    def update(self, value: float) -> bool:
        """Take the next value; return whether the mean has changed."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        deviation = value - self.mean
        self.rise = MEMORY * self.rise + deviation - DELTA
        self.fall = MEMORY * self.fall + deviation + DELTA
        self.lowest = self.rise if self.lowest is None else min(self.lowest, self.rise)
        self.highest = max(self.highest, self.fall)
        change = max(self.rise - self.lowest, self.highest - self.fall)
        if self.count < LEAST or change <= THRESHOLD:
            return False
        self._begin({})
        return True
