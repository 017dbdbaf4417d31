"""Deploys to a folder of this machine: `versions/<digest>/` holds bundles, `current` points to the one in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qatflow.artifacts import write_bytes
from qatflow.deploy.versions import (
    CURRENT,
    DIGEST_LENGTH,
    VERSIONS,
    check_same,
    locked,
    placed,
    swap,
    tried,
    version_of,
)
from qatflow.errors import DeployError
from qatflow.release.bundle import load_bundle

__all__ = ["CURRENT", "DIGEST_LENGTH", "VERSIONS", "add_version", "current", "deploy_local", "locked", "point_to"]


def deploy_local(bundle: Path, path: Path) -> dict[str, Any]:
    """Copy a bundle to `path / "versions"`, try it there, then swap the pointer; see `qatflow.deploy.base.Target`."""
    sha256 = load_bundle(bundle).sha256
    with locked(path):
        version = add_version(path, bundle)
        swap(path, version)
    return {"target": "local", "model_sha256": sha256, "version": f"{VERSIONS}/{version.name}"}


def add_version(path: Path, bundle: Path) -> Path:
    """Copy a bundle to its place in `path` and try it there, unless it is there already; call it under `locked`.

    Raises:
        ArtifactError: If the bundle is not whole, or what is there was altered.
        DeployError: If it does not run on this machine, or the same flatbuffer lies there with other labels or units.
    """
    loaded = load_bundle(bundle)
    return placed(
        path,
        loaded.sha256,
        lambda workplace: _copy(bundle, workplace),
        lambda version: check_same(load_bundle(version), loaded),
    )


def point_to(path: Path, sha256: str) -> Path:
    """Put an already deployed model to use again, and return its bundle.

    Raises:
        DeployError: If that model is not at `path`.
        ArtifactError: If it was altered.
    """
    with locked(path):
        version = version_of(path, sha256)
        if not version.exists():
            raise DeployError(f"{version} does not exist: model {sha256[:12]}… was never deployed to {path}")
        return swap(path, _checked(version, sha256))


def current(path: Path) -> Path:
    """Return the bundle in use, as a path that stays the same when another is deployed.

    Raises:
        DeployError: If nothing is deployed at `path`.
    """
    pointer = path / CURRENT
    if not pointer.is_dir():
        raise DeployError(f"Nothing is deployed at {path}; `qatflow run` deploys the champion")
    return pointer.resolve()


def _copy(bundle: Path, workplace: Path) -> None:
    """Copy a bundle durably and try the copy."""
    for file in sorted(bundle.iterdir()):
        write_bytes(workplace / file.name, file.read_bytes())
    load_bundle(workplace)
    tried(workplace)


def _checked(version: Path, sha256: str) -> Path:
    found = load_bundle(version).sha256
    if found != sha256:
        raise DeployError(f"{version} holds model {found}, not {sha256}; remove it and deploy again")
    return version
