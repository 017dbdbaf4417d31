"""The promotion log in MLflow's database: the parameters of one run, which MLflow lets nobody change or write twice.

Parameter `000017` names entry 17 by the digest of its line; the line lies in tags `<digest>.0`, `.1`, … of the run.
Key and run are the primary key of MLflow's table, so that of two clones that write the same number one is refused,
under SQLite, PostgreSQL and MySQL alike. The run is found by the name of its experiment, which is unique as well.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qatflow.adapters.mlflow_store import artifact_location, plain_errors
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.artifacts import sha256_bytes
from qatflow.errors import PromotionError
from qatflow.release.ports import SharedLog

RUN = "qatflow.promotions"
"""Tag of the experiment that names the run."""
PART = 5000
"""Characters of a tag; MLflow takes 5000 in old versions, 8000 in new ones."""
PARTS = 100
"""Tags of one request."""


class MlflowLog:
    """The shared log of one registered model; see `qatflow.release.ports.Registry`."""

    def __init__(self, tracker: MlflowTracker, name: str) -> None:
        self._client, self._uri = tracker.client, tracker.uri
        self._experiment = f"{name} promotions"

    def read(self) -> SharedLog:
        """Return all entries."""
        found = self._run()
        if found is None:
            return SharedLog((), 0)
        params, tags = found.data.params, found.data.tags
        numbers = range(1, sum(key.isdigit() for key in params) + 1)
        published = [int(key.removesuffix(" published")) for key in params if key.endswith(" published")]
        return SharedLog(tuple(self._line(params, tags, number) for number in numbers), max(published, default=0))

    def claim(self, seq: int, line: str) -> bool:
        """Write an entry if its number is free: first its line, then the number."""
        from mlflow.entities import RunTag
        from mlflow.exceptions import MlflowException

        run_id = self._run_id()
        name = sha256_bytes(line.encode())
        parts = [line[start : start + PART] for start in range(0, len(line), PART)]
        tags = [RunTag(f"{name}.{place}", part) for place, part in enumerate(parts)]
        with plain_errors(self._uri):
            for start in range(0, len(tags), PARTS):
                self._client.log_batch(run_id, tags=tags[start : start + PARTS])
            try:
                self._client.log_param(run_id, f"{seq:06}", f"{name} {len(parts)}")
            except MlflowException:
                taken = self._client.get_run(run_id).data.params.get(f"{seq:06}")
                if taken is None:
                    raise
                return bool(taken.startswith(name))
        return True

    def mark(self, seq: int) -> None:
        """Note that an entry is published."""
        with plain_errors(self._uri):
            self._client.log_param(self._run_id(), f"{seq:06} published", "yes")

    def renew(self) -> None:
        """Rename the experiment, so that the next entry begins another."""
        with plain_errors(self._uri):
            experiment = self._client.get_experiment_by_name(self._experiment)
            if experiment is None:
                return
            if experiment.lifecycle_stage != "active":
                self._client.restore_experiment(experiment.experiment_id)
            self._client.rename_experiment(experiment.experiment_id, f"{self._experiment} {uuid.uuid4().hex}")

    def _line(self, params: Mapping[str, str], tags: Mapping[str, str], number: int) -> str:
        name, _, parts = params.get(f"{number:06}", "").partition(" ")
        line = "".join(tags.get(f"{name}.{part}", "") for part in range(int(parts or 0)))
        if not name or sha256_bytes(line.encode()) != name:
            raise self._lost(f"lacks entry {number}, or it was altered")
        return line

    def _run(self) -> Any:
        """Return the run that holds the log; None if there is none yet. Its name is asked for anew: it may be renewed.

        Raises:
            PromotionError: If the run was deleted.
        """
        from mlflow.exceptions import MlflowException

        with plain_errors(self._uri):
            experiment = self._client.get_experiment_by_name(self._experiment)
            if experiment is None:
                return None
            try:
                run = self._client.get_run(experiment.tags.get(RUN, "none"))
            except MlflowException as error:
                if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    raise
                raise self._lost("lost its run") from None
        if run.info.lifecycle_stage != "active":
            raise self._lost(f"was deleted (`mlflow runs restore --run-id {run.info.run_id}` restores its run)")
        return run

    def _run_id(self) -> str:
        """Return the run's id; it is made if there is none."""
        found = self._run()
        return self._begin() if found is None else str(found.info.run_id)

    def _begin(self) -> str:
        """Make the run, then give its experiment the name: of several clones that do so together one succeeds."""
        from mlflow.exceptions import MlflowException

        with plain_errors(self._uri):
            aside = f"{self._experiment} {uuid.uuid4().hex}"
            made = self._client.create_experiment(aside, artifact_location(self._uri, Path()))
            run_id = str(self._client.create_run(made, run_name="promotions").info.run_id)
            self._client.update_run(run_id, "FINISHED")  # set_terminated would print
            self._client.set_experiment_tag(made, RUN, run_id)
            try:
                self._client.rename_experiment(made, self._experiment)
            except MlflowException:
                self._client.delete_experiment(made)
                if self._client.get_experiment_by_name(self._experiment) is None:
                    raise
                return self._run_id()
        return run_id

    def _lost(self, what: str) -> PromotionError:
        return PromotionError(
            f"MLflow's experiment '{self._experiment}', which holds the promotion log, {what}. "
            "`qatflow history --repair` begins another with this project's copy"
        )
