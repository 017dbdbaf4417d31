"""Deploys to MLflow model folders: `mlflow models serve -m PATH/current` needs nothing of QATFlow.

`versions/<digest16>/` holds each model, `current` points to the one in use, as the target local does.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from qatflow.adapters.mlflow_pyfunc import BUNDLE, save_pyfunc
from qatflow.artifacts import fsync_directory as fsync
from qatflow.deploy.base import Place
from qatflow.deploy.versions import check_same, put, tried
from qatflow.errors import DeployError
from qatflow.release.bundle import Bundle, load_bundle

MODEL_FILE = "MLmodel"


def deploy_mlflow(bundle: Path, place: Place) -> dict[str, Any]:
    """Save a bundle as a pyfunc model, try it, then point `current` at it; see `qatflow.deploy.base.Target`."""
    loaded = load_bundle(bundle)
    version = put(
        place.path,
        loaded.sha256,
        lambda workplace: _save(loaded, workplace),
        lambda version: _check(version, loaded),
    )
    return {"target": "mlflow", "model_sha256": loaded.sha256, "version": version}


def _save(bundle: Bundle, workplace: Path) -> None:
    """Write the model and try the bundle in it."""
    with tempfile.TemporaryDirectory(prefix="qatflow-deploy-") as folder:
        named = Path(folder) / BUNDLE  # MLflow keeps an artifact's own name
        shutil.copytree(bundle.path, named)
        save_pyfunc(load_bundle(named), workplace)
    tried(workplace / "artifacts" / BUNDLE)
    for file in workplace.rglob("*"):
        fsync(file)
    fsync(workplace)


def _check(version: Path, bundle: Bundle) -> None:
    check_same(load_bundle(version / "artifacts" / BUNDLE), bundle)
    if not (version / MODEL_FILE).is_file():
        raise DeployError(f"{version} is not the MLflow model of {bundle.sha256[:12]}…; remove it and deploy again")
