"""All deploy targets, those that need MLflow too, and the one way to deploy as params.yaml says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qatflow import deploy as library
from qatflow.adapters.mlflow_target import deploy_mlflow
from qatflow.deploy.base import Place, Target
from qatflow.deploy.rollout import set_name
from qatflow.errors import lookup
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle

TARGETS: Mapping[str, Target] = {**library.TARGETS, "mlflow": deploy_mlflow}


def deploy(bundle: Path, params: Params, root: Path, version: int | None = None) -> dict[str, Any]:
    """Deploy a bundle where the parameters say; return the receipt, see `qatflow.deploy.base.Target`.

    Args:
        bundle: A bundle's folder.
        params: Of the project.
        root: The project's folder, which files named in the parameters are relative to.
        version: What the registry calls it; servers that follow a deploy root answer with it.

    Raises:
        ParamsError: If the target is unknown.
        ArtifactError: If the bundle is not whole.
        DeployError: If it cannot be deployed; what was deployed before is untouched.
    """
    target = lookup("deploy target", params.deploy.target, TARGETS)
    if version is not None and params.deploy.target == "local":
        set_name(root / params.deploy.path, load_bundle(bundle).sha256, str(version))
    return target(bundle, place_of(params, root))


def place_of(params: Params, root: Path) -> Place:
    """Return where this project deploys to, with the files that its settings name as absolute paths."""
    settings = params.deploy
    named = {key: value for key in ("token_file", "key_file") if (value := getattr(settings, key)) is not None}
    files = {key: str(root / value) for key, value in named.items()}
    return Place(root / settings.path, params.release.name, settings.model_copy(update=files))
