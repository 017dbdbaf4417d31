"""MLflow's model registry as a release sees it. A model's bytes, not its number, say which model it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qatflow.adapters.mlflow_log import MlflowLog
from qatflow.adapters.mlflow_pyfunc import BUNDLE, save_pyfunc
from qatflow.adapters.mlflow_store import plain_errors
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import ArtifactError, PromotionError
from qatflow.release.bundle import load_bundle
from qatflow.release.ports import SharedLog, Version

SHA256, MANIFEST_SHA256 = "model_sha256", "manifest_sha256"
PLACES = frozenset({"", "abfss", "dbfs", "file", "gs", "hdfs", "mlflow-artifacts", "s3", "viewfs", "wasb", "wasbs"})
"""Kinds of addresses that files are fetched from."""
DESCRIPTION = "Made by QATFlow. Each version is a verified bundle; the alias champion is the one that is deployed."
_MISSING = "RESOURCE_DOES_NOT_EXIST"


class MlflowRegistry:
    """One registered model of a tracking server; see `qatflow.release.ports.Registry`."""

    def __init__(self, tracker: MlflowTracker, name: str, parent_id: str | None = None) -> None:
        """Use the tracker's server; each stored model gets a run of its own, under `parent_id` if there is one."""
        self.name = name
        self._tracker = tracker
        self._client = tracker.client
        self._parent_id = parent_id
        self._log = MlflowLog(tracker, name)

    def log_model(
        self, bundle: Path, facts: Mapping[str, str], metrics: Mapping[str, float], float_model: Path | None = None
    ) -> str:
        """Store a bundle as a pyfunc model in a run of its own, unless its bytes are stored already."""
        loaded = load_bundle(bundle)
        known = self._stored(loaded.sha256)
        if known is not None:
            return known
        run = self._tracker.child_run(self._parent_id, f"model {facts['variant']}", facts)
        with run as run_id, tempfile.TemporaryDirectory() as folder:
            self._tracker.log_metrics(run_id, metrics)
            save_pyfunc(loaded, Path(folder) / "model", float_model)
            with plain_errors(self._tracker.uri):
                return self._upload(run_id, Path(folder) / "model", {**facts, MANIFEST_SHA256: loaded.manifest_sha256})

    def register(self, uri: str) -> int:
        """Return the version of a stored model, made if there is none."""
        import mlflow

        model = self._model(uri)
        with plain_errors(self._tracker.uri):
            self._ensure_name()
            same = self._client.search_model_versions(
                f"name = '{self.name}' AND tags.{SHA256} = '{model.tags[SHA256]}'"
            )
            if same:
                return max(int(version.version) for version in same)
            mlflow.set_tracking_uri(self._tracker.uri)  # where a SQL registry looks for the model
            made = self._client.create_model_version(
                self.name, uri, run_id=model.source_run_id, tags=dict(model.tags), model_id=model.model_id
            )
        return int(made.version)

    def version(self, number: int) -> Version:
        """Return a version with the facts that were recorded with it."""
        tags = self._get(number).tags
        try:
            return Version(number, tags[SHA256], tags["variant"], float(tags["score"]), float(tags["latency_us"]))
        except (KeyError, ValueError):
            raise PromotionError(
                f"Version {number} of {self.name} was not registered by QATFlow (tags {SHA256}, variant, score and "
                "latency_us are needed); only versions that passed a release can be champion"
            ) from None

    def aliases(self) -> dict[str, int]:
        """Return alias -> version number."""
        with plain_errors(self._tracker.uri):
            models = self._client.search_registered_models(f"name = '{self.name}'")
            if not models:
                return {}
            found = self._client.get_registered_model(self.name).aliases
        return {alias: int(number) for alias, number in found.items()}

    def set_alias(self, alias: str, number: int) -> None:
        """Point an alias at a version."""
        self._get(number)
        with plain_errors(self._tracker.uri):
            self._client.set_registered_model_alias(self.name, alias, str(number))

    def delete_alias(self, alias: str) -> None:
        """Remove an alias."""
        with plain_errors(self._tracker.uri):
            self._client.delete_registered_model_alias(self.name, alias)

    def shared_log(self) -> SharedLog:
        """Return the promotion log."""
        return self._log.read()

    def claim(self, seq: int, line: str) -> bool:
        """Write an entry of the promotion log if its number is free."""
        return self._log.claim(seq, line)

    def mark_published(self, seq: int) -> None:
        """Note that the aliases say what an entry says."""
        self._log.mark(seq)

    def renew_log(self) -> None:
        """Set the promotion log aside."""
        self._log.renew()

    def download(self, number: int, into: Path) -> Path:
        """Copy a version's bundle to the new folder `into` and verify it."""
        registered = self._get(number)
        model = self._model(registered.source)
        with tempfile.TemporaryDirectory(dir=_made(into.parent)) as folder:
            bundle = self._fetch(f"{model.artifact_location}/artifacts/{BUNDLE}", Path(folder), number)
            if load_bundle(bundle).manifest_sha256 != registered.tags.get(MANIFEST_SHA256):
                raise ArtifactError(f"The files of version {number} of {self.name} are not those that were registered")
            bundle.rename(into)
        return into

    def _stored(self, sha256: str) -> str | None:
        """Return the URI of a model with these bytes that was stored whole."""
        experiment = [self._tracker.experiment_id]
        with plain_errors(self._tracker.uri):
            found = self._client.search_logged_models(experiment, f"tags.{SHA256} = '{sha256}'")
        return next((f"models:/{model.model_id}" for model in found if model.status == "READY"), None)

    def _get(self, number: int) -> Any:
        return self._find(
            lambda: self._client.get_model_version(self.name, str(number)),
            f"{self.name} has no version {number}, or it was deleted",
        )

    def _model(self, uri: str) -> Any:
        """Return the stored model; only MLflow's own `models:/m-…` addresses are followed."""
        if not uri.startswith("models:/m-"):
            raise PromotionError(f"{self.name}: {uri} is no model that QATFlow stored (expected models:/m-…)")
        gone = f"{self.name}: the stored model {uri} was deleted"
        return self._find(lambda: self._client.get_logged_model(uri.removeprefix("models:/")), gone)

    def _find(self, get: Callable[[], Any], otherwise: str) -> Any:
        from mlflow.exceptions import MlflowException

        with plain_errors(self._tracker.uri):
            try:
                return get()
            except MlflowException as error:
                if error.error_code != _MISSING:
                    raise
        raise PromotionError(otherwise)

    def _ensure_name(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.name, description=DESCRIPTION)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _upload(self, run_id: str, folder: Path, facts: Mapping[str, str]) -> str:
        """Store a model's files; it counts only after all of them have arrived."""
        from mlflow.entities import LoggedModelOutput

        model = self._client.create_logged_model(
            self._tracker.experiment_id, name=facts["variant"], source_run_id=run_id, tags=dict(facts)
        )
        self._client.log_model_artifacts(model.model_id, str(folder))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        return f"models:/{model.model_id}"

    def _fetch(self, address: str, into: Path, number: int) -> Path:
        import mlflow

        self._check_place(address)
        try:
            return Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=address, dst_path=str(into), tracking_uri=self._tracker.uri
                )
            )
        except Exception as error:  # noqa: BLE001 (each kind of storage has errors of its own)
            reason = " ".join(str(error).split())[:300]
            raise PromotionError(
                f"Cannot fetch the files of version {number} of {self.name} from {address}: {reason}"
            ) from None

    def _check_place(self, address: str) -> None:
        """Refuse addresses at which a stranger could answer: who may write to the registry would choose whom we ask.

        `mlflow-artifacts:` is the tracking server itself, as long as it names no other.
        """
        place = urlsplit(address)
        ours = place.scheme != "mlflow-artifacts" or place.netloc in {"", urlsplit(self._tracker.uri).netloc}
        if place.scheme not in PLACES or not ours:
            raise PromotionError(f"{self.name}: {address} is no place where QATFlow keeps models")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
