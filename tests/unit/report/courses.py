"""Fabricates courses of online learning, as the report is handed them."""

from typing import Any

import numpy as np

from qatflow.report.course import CourseFigures


def candidate(number: int, learned: int, outcome: str = "promoted", **fields: Any) -> dict[str, Any]:
    """A candidate with the keys of `online.candidates.Judged`."""
    figures = {"holdout": 0.969, "holdout_at_start": 0.983, "window": 0.973, "window_champion": 0.912}
    judged = {"number": number, "learned": learned, "outcome": outcome, "reasons": [], "classes": ["0"], "offset": "7"}
    return {**judged, "sha256": f"{number:064x}", "size_bytes": 20_000, "window_samples": 500, **figures, **fields}


CANDIDATES = (
    candidate(1, 1000, "dropped", reasons=["window 0.9120 does not beat the champion's 0.9120 by min_window_gain"]),
    candidate(2, 2000),
    candidate(3, 3000, "refused: another promotion came first"),
    candidate(4, 4000, holdout=0.96),
    candidate(5, 5000, "pending"),
)


def course(buckets: int = 50, **fields: Any) -> CourseFigures:
    """A course that falls from 98 to 22 % in its middle, and comes back."""
    accuracy = np.full(buckets, 0.98)
    accuracy[buckets // 2 : buckets // 2 + 8] = 0.22
    accuracy[buckets // 2 + 8 :] = 0.97
    plain: dict[str, Any] = {
        "stream": "spool:incoming",
        "records": buckets * 100 + 20,
        "learned": buckets * 100,
        "bucket": 100,
        "ends": (1 + np.arange(buckets)) * 100,
        "accuracy": accuracy,
        "drifts": (2700, 3300) if buckets > 33 else (),
        "candidates": CANDIDATES,
        "counts": {"joined": buckets * 100, "late": 3, "poison": 17, "waiting": 0},
        "classes": tuple("0123456789"),
    }
    return CourseFigures(**{**plain, **fields})
