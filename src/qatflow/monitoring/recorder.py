"""Takes what a server answered, in no time, and lets a thread of its own write it down and watch for drift."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qatflow.artifacts import Array
from qatflow.monitoring.reference import Reference
from qatflow.params import MonitoringParams


class Recorder:
    """Records the requests of one server in a folder of its own.

    `record` may be called from any thread; it only appends to a bounded queue. Nothing that goes wrong with the
    records reaches the one who serves.

    Raises:
        MonitoringError: If another server records into `folder`.
    """

    def __init__(self, folder: Path, reference: Reference | None, params: MonitoringParams) -> None:
        self._figures: dict[str, Any] = {"recorded": 0, "dropped": 0, "failed": 0, "recording": True, "drift": None}
        self._folder, self._reference, self._params = folder, reference, params

    def record(self, x: Array, scores: Array, *, model_sha256: str, request_id: str, latency_s: float) -> None:
        """Append a request: x (n, *input shape) float32 in the data's own units, and its scores (n, k) float32.

        Neither may be changed afterwards. A sample's id is `request_id`; in a request of several, `request_id/0`,
        `request_id/1` and so on. `latency_s` is of the whole request.
        """

    def feedback(self, pairs: Iterable[tuple[str, str | float]]) -> dict[str, int]:
        """Give labels (sample id, class name or number) to records; return how many of each outcome. May take a while.

        Outcomes: accepted, repeated, changed, unknown_id, unknown_label, late.
        """
        del pairs
        return {}

    def refer(self, reference: Reference | None) -> None:
        """Watch another model from here on; the server calls it when it has swapped."""
        self._reference = reference

    def figures(self) -> dict[str, Any]:
        """Return counts and the last drift report, for /metrics; never waits."""
        return dict(self._figures)

    def flush(self) -> None:
        """Wait until all that was recorded before is written, or has failed."""

    def close(self) -> None:
        """Write what is left and let go of the folder."""
