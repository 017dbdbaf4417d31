"""Runs in MLflow: a parent for each flow run, children for stages; parameters, metrics, data lineage, small files.

Every call names its run: MLflow's "active run" belongs to a thread and is not used.
"""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from qatflow.adapters.mlflow_open import OpenRuns
from qatflow.adapters.mlflow_store import artifact_location, plain_errors, prepare_store
from qatflow.data.card import DataCard
from qatflow.errors import TrackingError, hidden

Status = Literal["FINISHED", "FAILED", "KILLED"]
BATCH = 1000
"""Most metrics that MLflow takes in one request."""
PARAMS_BATCH = 100
PARAM_LENGTH = 6000
SAMPLING_INTERVAL_S = 1
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
"""Tag by which MLflow tells experiments that train models from those on language models."""


class MlflowTracker:
    """One experiment on one tracking server.

    Args:
        uri: A database or HTTP address; a relative SQLite path starts at `root`.
        experiment: Its name; made if there is none.
        root: The project.

    Raises:
        TrackingError: If the server does not answer, the database cannot be used, or the experiment was deleted.
    """

    def __init__(self, uri: str, experiment: str, root: Path) -> None:
        from mlflow import MlflowClient

        self.uri = prepare_store(uri, root)
        with plain_errors(self.uri):
            self.client = MlflowClient(self.uri, self.uri)
            self.experiment_id = _experiment_id(self.client, experiment, artifact_location(self.uri, root))
        self._open = OpenRuns(root)
        self._open.end_dead(self._end_dead)

    def start_parent(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Begin the run of a whole flow and return its id.

        Args:
            name: What MLflow shows.
            params: Flat: dotted name -> value.
            tags: Such as the reason and the git commit.
        """
        from mlflow.entities import Param

        run_id = self._create_run(name, tags)
        listed = [Param(key, hidden(str(value))[:PARAM_LENGTH]) for key, value in params.items()]
        with plain_errors(self.uri):
            for start in range(0, len(listed), PARAMS_BATCH):
                self.client.log_batch(run_id, params=listed[start : start + PARAMS_BATCH])
        return run_id

    @contextmanager
    def child_run(self, parent_id: str | None, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Give the id of a new run, under `parent_id` if there is one.

        It samples the machine each second and ends with the block.
        """
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        parent = {"mlflow.parentRunId": parent_id} if parent_id else {}
        run_id = self._create_run(name, {**tags, **parent})
        monitor = SystemMetricsMonitor(run_id, sampling_interval=SAMPLING_INTERVAL_S, tracking_uri=self.uri)
        monitor.start()
        try:
            yield run_id
        except BaseException as error:
            monitor.finish()
            with suppress(TrackingError):  # the block's own error is the one to show
                self.finish(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        monitor.finish()
        self.finish(run_id, "FINISHED")

    def log_history(self, run_id: str, history: Sequence[Mapping[str, float]]) -> None:
        """Log one dict of figures an epoch; its `epoch` is the step."""
        self._log(run_id, [(key, row[key], int(row["epoch"])) for row in history for key in row if key != "epoch"])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log figures that belong to the whole run, or to a step of it."""
        self._log(run_id, [(key, value, step) for key, value in metrics.items()])

    def log_artifact(self, run_id: str, path: Path, folder: str = "") -> None:
        """Copy a small file, or a folder of them, into the run."""
        with plain_errors(self.uri):
            if path.is_dir():
                self.client.log_artifacts(run_id, str(path), folder or None)
            else:
                self.client.log_artifact(run_id, str(path), folder or None)

    def log_dataset(self, run_id: str, card: DataCard, dvc_md5: str | None) -> None:
        """Record which data the run used.

        Args:
            run_id: The run.
            card: The data card.
            dvc_md5: DVC's digest of the data set, if it tracks one; kept as the tag `dvc.md5`.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=card.source,
            digest=card.sha256[:36],  # as long as MLflow's column
            source_type="local",
            source=json.dumps({"uri": card.files[0].path if card.files else card.source}),
            profile=json.dumps({"samples": card.samples, "sha256": card.sha256}),
        )
        tags = [InputTag("mlflow.data.context", "training")] + ([InputTag("dvc.md5", dvc_md5)] if dvc_md5 else [])
        with plain_errors(self.uri):
            self.client.log_inputs(run_id, [DatasetInput(dataset, tags)])

    def describe(self, run_id: str, name: str, tags: Mapping[str, str]) -> None:
        """Give a run a new name, and tags."""
        with plain_errors(self.uri):
            self.client.update_run(run_id, name=name)
            for key, value in tags.items():
                self.client.set_tag(run_id, key, value)

    def tag(self, run_id: str, name: str, value: str) -> None:
        """Set a tag of a run."""
        with plain_errors(self.uri):
            self.client.set_tag(run_id, name, value)

    def finish(self, run_id: str, status: Status) -> None:
        """End a run."""
        with plain_errors(self.uri):
            self.client.set_terminated(run_id, status)
        self._open.ended(run_id)

    def _end_dead(self, run_id: str) -> None:
        """End a run whose process is gone, if it is in this store and nobody has ended it."""
        from mlflow.exceptions import MlflowException

        with plain_errors(self.uri):
            try:
                status = self.client.get_run(run_id).info.status
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return
            if status == "RUNNING":
                self.client.set_terminated(run_id, "KILLED")

    def _create_run(self, name: str, tags: Mapping[str, str]) -> str:
        user = {}
        with suppress(OSError, KeyError):  # a container's user may have no name
            user = {"mlflow.user": getpass.getuser()}
        with plain_errors(self.uri):
            run = self.client.create_run(self.experiment_id, run_name=name, tags={**user, **tags})
        self._open.begun(run.info.run_id)
        return str(run.info.run_id)

    def _log(self, run_id: str, values: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now_ms, step) for key, value, step in values]
        with plain_errors(self.uri):
            for start in range(0, len(metrics), BATCH):
                self.client.log_batch(run_id, metrics=metrics[start : start + BATCH])


def _experiment_id(client: Any, name: str, location: str | None) -> str:
    """Find or make the experiment; of several processes that make it together one succeeds and the others find it."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=location, tags={KIND: TRAINING}))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found.lifecycle_stage != "active":
        raise TrackingError(f"MLflow's experiment '{name}' was deleted; restore it, or set tracking.experiment")
    if KIND not in found.tags:
        client.set_experiment_tag(found.experiment_id, KIND, TRAINING)
    return str(found.experiment_id)
