"""Fetches the Keras model behind a registered MLflow model, to train it further."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qatflow.adapters.mlflow_store import plain_errors
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import TrackingError, nearest
from qatflow.params.tracking import TrackingParams
from qatflow.params.transfer import TransferParams

ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
KNOWN_PLACES = ("artifacts/keras/float", "data/model.keras", "data/model.h5", "model.keras", "model.h5")
"""Where QATFlow, and MLflow's own flavors, keep a Keras model."""


def fetch_backbone(
    transfer: TransferParams, tracking: TrackingParams, root: Path, into: Path
) -> tuple[TransferParams, dict[str, str]]:
    """Download the model that `transfer.model` names; return parameters that read it as a file, and its version."""
    path, facts = fetch_model(MlflowTracker(tracking.uri, tracking.experiment, root), transfer.model, into)
    return transfer.model_copy(update={"source": "file", "path": str(path)}), facts


def fetch_model(tracker: MlflowTracker, address: str, into: Path) -> tuple[Path, dict[str, str]]:
    """Download the Keras model of `models:/NAME@ALIAS` or `models:/NAME/VERSION` below the folder `into`.

    Nothing of it is run or unpickled; what is returned is a file, or a folder of `models.store`.

    Returns:
        Where it lies, and which version it is: name, version, model_id.

    Raises:
        TrackingError: If there is no such model, version or alias, it holds no Keras model, or MLflow does not answer.
    """
    version = _version(tracker, address)
    model_id = str(version.source).removeprefix("models:/")
    facts = {"name": str(version.name), "version": str(version.version), "model_id": model_id}
    with plain_errors(tracker.uri):
        present = set(_paths(tracker, model_id, ""))
    for place in KNOWN_PLACES:
        if place in present:
            with plain_errors(tracker.uri):
                return _download(tracker, model_id, place, into), facts
    raise TrackingError(
        f"{address} (version {version.version}) holds no Keras model, looked for {', '.join(KNOWN_PLACES)}; models "
        "that `qatflow run` released since 0.1 do"
    )


def _version(tracker: MlflowTracker, address: str) -> Any:
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise TrackingError(f"'{address}' is no address of a registered model; models:/NAME@ALIAS or models:/NAME/3 is")
    name = found["name"]
    with plain_errors(tracker.uri):
        models = {str(model.name): model for model in tracker.client.search_registered_models()}
    if name not in models:
        known = ", ".join(sorted(models)) or "none"
        raise TrackingError(f"MLflow has no registered model '{name}'. Registered: {known}.{nearest(name, models)}")
    aliases = dict(models[name].aliases)
    if found["alias"] is not None and found["alias"] not in aliases:
        known = ", ".join(sorted(aliases)) or "none"
        raise TrackingError(
            f"{name} has no alias '{found['alias']}'. Its aliases: {known}.{nearest(found['alias'], aliases)}"
        )
    number = aliases[found["alias"]] if found["alias"] else found["version"]
    with plain_errors(tracker.uri):
        versions = {str(v.version): v for v in tracker.client.search_model_versions(f"name = '{name}'")}
    if str(number) not in versions:
        raise TrackingError(f"{name} has no version {number}. Its versions: {', '.join(sorted(versions, key=int))}")
    return versions[str(number)]


def _paths(tracker: MlflowTracker, model_id: str, folder: str) -> Iterator[str]:
    """Yield files and folders of a stored model, at any depth."""
    for entry in tracker.client.list_logged_model_artifacts(model_id, folder or None):
        yield entry.path
        if entry.is_dir:
            yield from _paths(tracker, model_id, entry.path)


def _download(tracker: MlflowTracker, model_id: str, place: str, into: Path) -> Path:
    import mlflow

    location = tracker.client.get_logged_model(model_id).artifact_location
    fetched = mlflow.artifacts.download_artifacts(
        artifact_uri=f"{location}/{place}", dst_path=str(into), tracking_uri=tracker.uri
    )
    return Path(fetched)
