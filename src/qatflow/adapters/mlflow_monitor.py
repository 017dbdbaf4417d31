"""What monitoring and canaries found, as MLflow runs beside those of the graph."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qatflow.adapters.canary import Tried
from qatflow.adapters.mlflow_stages import figures
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.artifacts import write_json
from qatflow.monitoring.drift_report import DriftReport
from qatflow.params.root import Params


def log_report(params: Params, root: Path, report: DriftReport, decision: str) -> str:
    """Record a look at the champion, with all its figures; return the run's id.

    Raises:
        TrackingError: If the store does not answer.
    """
    found = report.to_dict()
    statistics = {f"{name}_p": values["adjusted_p"] for name, values in found["statistics"].items()}
    metrics = {"drifted": float(report.drifted), "error_changed": float(report.error_changed), **statistics}
    metrics |= figures({"health": found["health"], "labelled": found["labelled"]})
    tags = {"model_sha256": report.model_sha256, "window_sha256": report.window_sha256, "decision": decision}
    return _log(params, root, "monitor", tags, metrics, found)


def log_canary(params: Params, root: Path, tried: Tried) -> str:
    """Record how a canary ended; return the run's id.

    Raises:
        TrackingError: If the store does not answer.
    """
    metrics = figures({**tried.trial, **{name: dict(found) for name, found in tried.labels.items()}})
    tags = {"version": str(tried.version), "outcome": tried.outcome, "why": tried.why}
    return _log(params, root, "canary", tags, metrics, vars(tried))


def _log(
    params: Params,
    root: Path,
    name: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    found: Mapping[str, Any],
) -> str:
    tracker = MlflowTracker(params.tracking.uri, params.tracking.experiment, root)
    run_id = tracker.start_parent(name, {}, {"stage": name, **tags})
    tracker.log_metrics(run_id, metrics)
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        path = Path(folder) / f"{name}.json"
        write_json(path, dict(found))
        tracker.log_artifact(run_id, path)
    tracker.finish(run_id, "FINISHED")
    return run_id
