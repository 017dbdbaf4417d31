"""Detectors of change in a stream of single values: the dict lists them, the Protocol says what each must do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from qatflow.monitoring.adwin import Adwin
from qatflow.monitoring.page_hinkley import PageHinkley


class Detector(Protocol):
    """Takes one value after the other and says when their mean has changed.

    Its state is JSON, small however long the stream, and the constructor goes on from it exactly as if nothing had come
    in between. On a stream that does not change it stays silent for thousands of values.
    """

    def update(self, value: float) -> bool:
        """Take the next value; return whether the mean has changed. After a change it begins anew."""
        ...

    def state(self) -> dict[str, Any]:
        """Return JSON-like values."""
        ...


DETECTORS: dict[str, Callable[[Mapping[str, Any] | None], Detector]] = {
    "adwin": Adwin,
    "page_hinkley": PageHinkley,
}
