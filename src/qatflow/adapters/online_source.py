"""Finds the bundle that a course begins with: what is deployed, a folder, or what a registry's alias points at."""

from __future__ import annotations

from pathlib import Path

from qatflow.adapters.alias_follower import mirrored
from qatflow.deploy.local import current
from qatflow.params.root import Params


def find_champion(params: Params, root: Path, begin: str | None) -> Path:
    """Return the bundle's folder.

    Args:
        params: Of the project.
        root: Of the project.
        begin: A folder, `models:/NAME@ALIAS`, or None for what is deployed.

    Raises:
        DeployError: If nothing is deployed, or the version does not run here.
        PromotionError: If the address is malformed, or the alias is missing.
        TrackingError: If the registry does not answer.
    """
    if begin is None:
        return current(root / params.deploy.path)
    if not begin.startswith("models:"):
        return Path(begin)
    return current(mirrored(params, root, begin))
