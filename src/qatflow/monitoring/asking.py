"""Decides whether what monitoring saw calls for a retraining. Pure but for one small file that remembers the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qatflow.artifacts import read_json, write_json
from qatflow.errors import ArtifactError
from qatflow.monitoring.drift_report import DriftReport

ASKED = "asked.json"


@dataclass(frozen=True)
class Asked:
    """The last retraining that was asked for.

    Attributes:
        model_sha256: Champion of then.
        labels: Labelled records that it had then.
        window_sha256: The window that had drifted.
    """

    model_sha256: str
    labels: int
    window_sha256: str


@dataclass(frozen=True)
class Decision:
    """Whether to ask now, and why or why not in a sentence."""

    asks: bool
    why: str


def decide(report: DriftReport, labels: int, last: Asked | None, least: int) -> Decision:
    """Decide whether to ask for a retraining.

    It takes drift, or an error that has changed, and `least` labelled records of the champion, from which can be
    learned. For the same champion it takes `least` more before it is asked for again: a challenger that was dropped
    would only come back.

    Args:
        report: Of the last window.
        labels: Labelled records of the champion.
        last: What was asked for last.
        least: `monitoring.retrain_labels`.
    """
    if not (report.drifted or report.error_changed):
        return Decision(False, "no drift")
    same = last is not None and last.model_sha256 == report.model_sha256
    needed = least + (last.labels if last is not None and same else 0)
    what = ", ".join([name for name, finding in report.statistics.items() if finding.drifted])
    what += f"{' and ' if what else ''}error of labelled samples" if report.error_changed else ""
    if labels < needed:
        after = " after the last retraining" if same else ""
        return Decision(False, f"drift, but {labels} of the {needed} labels that it takes{after}: {what}")
    return Decision(True, f"drift of {what}; window {report.window_sha256[:12]}")


def last_asked(folder: Path) -> Asked | None:
    """Return what was asked for last; None if nothing was, or the file cannot be read."""
    try:
        values: Mapping[str, Any] = read_json(folder / ASKED)
        return Asked(**values)
    except (ArtifactError, TypeError):
        return None


def remember(folder: Path, report: DriftReport, labels: int) -> None:
    """Note that a retraining was asked for.

    Raises:
        OSError: If it cannot be written.
    """
    write_json(folder / ASKED, asdict(Asked(report.model_sha256, labels, report.window_sha256)))
