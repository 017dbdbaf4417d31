"""A time budget: what is left of it, and what the work done so far says about the work to come."""

from time import monotonic


class Clock:
    """Runs from the moment it is made.

    Args:
        budget: Seconds; None for as long as it takes.
    """

    def __init__(self, budget: float | None = None) -> None:
        self.budget, self._started = budget, monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started

    def reason_to_skip(self, expected: float) -> str:
        """Return why work of so many seconds cannot be started; empty if it can."""
        if self.budget is None or expected <= (left := self.budget - self.elapsed):
            return ""
        return f"would take about {expected:.1f} s, {max(left, 0.0):.1f} s of the time budget are left"
