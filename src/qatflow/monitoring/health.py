"""Health of the device: latency, memory and saturated inputs, against the first window of the same model."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from qatflow.monitoring.drift_report import Health
from qatflow.monitoring.windows import Served

SLOWER, LARGER, SATURATED = 2.0, 1.5, 0.01
MB = 1e6


@dataclass(frozen=True)
class Baseline:
    """Figures of the first window of a model, as far as they are known: median latency, resident memory."""

    latency_ms: float | None
    memory_mb: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return JSON-like values."""
        return asdict(self)


def judge(served: Served, saturated_reference: float, memory_bytes: int | None, baseline: Baseline | None) -> Health:
    """Return the health in a window.

    What worries: a median latency twice the baseline's, memory one and a half times the baseline's, and one value in a
    hundred more than in training that the input tensor cannot hold.
    """
    first = baseline or Baseline(None, None)
    latency = np.quantile(served.latency_s, (0.5, 0.99)) * 1e3
    memory = None if memory_bytes is None else memory_bytes / MB
    saturated = float(np.nan_to_num(served.saturated).mean())
    found = {
        "latency": (float(latency[0]), first.latency_ms, SLOWER, "ms median latency"),
        "memory": (memory, first.memory_mb, LARGER, "MB of memory"),
    }
    worries = [
        f"{now:.3g} {what}, {now / then:.1f} times what it was at first"
        for now, then, limit, what in found.values()
        if now and then and now > limit * then
    ]
    if saturated > saturated_reference + SATURATED:
        worries.append(
            f"{saturated:.1%} of input values are beyond what the model can hold; in training {saturated_reference:.1%}"
        )
    return Health(
        latency_ms=float(latency[0]),
        latency_baseline_ms=first.latency_ms,
        latency_p99_ms=float(latency[1]),
        memory_mb=memory,
        memory_baseline_mb=first.memory_mb,
        saturated=saturated,
        saturated_reference=saturated_reference,
        worries=tuple(worries),
    )
