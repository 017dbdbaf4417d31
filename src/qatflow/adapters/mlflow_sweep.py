"""A sweep as MLflow runs: a parent, and a child for each trial, logged by the flow's process as the results arrive.

Workers log nothing. The store is opened, and if need be made, by one process before any trial begins: processes that
touch a fresh SQLite store together break it, see `mlflow_store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qatflow import params_file
from qatflow.adapters.dvc_lock import data_md5
from qatflow.adapters.mlflow_tracking import MlflowTracker, Status
from qatflow.data.card import DataCard
from qatflow.params.root import Params
from qatflow.sweep.origin import prepared_folder
from qatflow.sweep.result import TrialResult

_FIGURES = ("val_score", "test_score", "size_bytes", "seconds")
_STATUS: Mapping[str, Status] = {"done": "FINISHED", "failed": "FAILED", "lost": "FAILED", "pruned": "KILLED"}


class SweepTracker:
    """One sweep on the tracking server.

    Raises:
        TrackingError: If the server does not answer, or the database cannot be used.
    """

    def __init__(self, root: Path, params: Params, reason: str) -> None:
        self._tracker = MlflowTracker(params.tracking.uri, params.tracking.experiment, root)
        flat = params_file.flatten(params.model_dump(mode="json"))
        self.parent = self._tracker.start_parent("sweep", flat, {"reason": reason})
        card = DataCard.read(prepared_folder(root))
        self._tracker.log_dataset(self.parent, card, data_md5(root, params.data.path))

    def log(self, name: str, result: TrialResult, *, repeated: bool) -> None:
        """Log a trial that ended as a child run.

        Args:
            name: What MLflow shows.
            result: What `sweep.measure.measure_trial` gave.
            repeated: It was finished in an earlier sweep.
        """
        tags = {"status": result.status, "reason": result.reason, "repeated": str(repeated).lower()}
        tags |= {"sha256": result.sha256 or "", "mlflow.parentRunId": self.parent}
        run_id = self._tracker.start_parent(name, result.trial.record(), tags)
        self._tracker.log_history(run_id, result.history)
        self._tracker.log_metrics(
            run_id, {name: float(value) for name, value in result.to_dict().items() if name in _FIGURES}
        )
        self._tracker.finish(run_id, _STATUS[result.status])

    def finish(self, report: Path | None) -> None:
        """End the sweep's run, with the report if there is one; without, it failed."""
        if report is not None:
            self._tracker.log_artifact(self.parent, report, "sweep")
        self._tracker.finish(self.parent, "FAILED" if report is None else "FINISHED")
