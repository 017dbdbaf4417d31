"""Deploys to a folder of this machine: `versions/<digest>/` holds bundles, `current` points to the one in use."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qatflow.artifacts import fsync_directory, write_bytes
from qatflow.errors import DeployError
from qatflow.release.bundle import load_bundle
from qatflow.release.golden import check_golden

VERSIONS, CURRENT = "versions", "current"
DIGEST_LENGTH = 16


def deploy_local(bundle: Path, path: Path) -> dict[str, Any]:
    """Copy a bundle to `path / "versions"`, try it there, then swap the pointer; see `qatflow.deploy.base.Target`."""
    sha256 = load_bundle(bundle).sha256
    with locked(path):
        version = add_version(path, bundle)
        _swap(path, version)
    return {"target": "local", "model_sha256": sha256, "version": f"{VERSIONS}/{version.name}"}


def add_version(path: Path, bundle: Path) -> Path:
    """Copy a bundle to its place in `path` and try it there, unless it is there already; call it under `locked`.

    Raises:
        ArtifactError: If the bundle is not whole, or what is there was altered.
        DeployError: If it does not run on this machine.
    """
    sha256 = load_bundle(bundle).sha256
    version = _versions(path) / sha256[:DIGEST_LENGTH]
    if not version.exists():
        _install(bundle, version)
    return _checked(version, sha256)


def point_to(path: Path, sha256: str) -> Path:
    """Put an already deployed model to use again, and return its bundle.

    Raises:
        DeployError: If that model is not at `path`.
        ArtifactError: If it was altered.
    """
    with locked(path):
        version = _versions(path) / sha256[:DIGEST_LENGTH]
        if not version.exists():
            raise DeployError(f"{version} does not exist: model {sha256[:12]}… was never deployed to {path}")
        return _swap(path, _checked(version, sha256))


def current(path: Path) -> Path:
    """Return the bundle in use, as a path that stays the same when another is deployed.

    Raises:
        DeployError: If nothing is deployed at `path`.
    """
    pointer = path / CURRENT
    if not pointer.is_dir():
        raise DeployError(f"Nothing is deployed at {path}; `qatflow run` deploys the champion")
    return pointer.resolve()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other deployments to `path` out, and name what stands in the way of this one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with (path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise DeployError(
            f"Cannot deploy to {path}: {error.strerror or error}; what was deployed before is untouched"
        ) from error


def _versions(path: Path) -> Path:
    """Return the folder of bundles, without what a killed deployment left there."""
    folder = path / VERSIONS
    folder.mkdir(exist_ok=True)
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover)
    return folder


def _install(bundle: Path, version: Path) -> None:
    """Copy a bundle durably and try it, under another name; the last step gives it its own."""
    workplace = version.with_name(f".{version.name}.tmp")
    workplace.mkdir()
    try:
        for file in sorted(bundle.iterdir()):
            write_bytes(workplace / file.name, file.read_bytes())
        load_bundle(workplace)
        check = check_golden(workplace)
        if check.max_lsb != 0:
            what = check.error or f"its golden outputs differ by {check.max_lsb:g} LSB on this machine"
            raise DeployError(f"{bundle} is not fit for use here: {what}")
        workplace.rename(version)
        fsync_directory(version.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _checked(version: Path, sha256: str) -> Path:
    found = load_bundle(version).sha256
    if found != sha256:
        raise DeployError(f"{version} holds model {found}, not {sha256}; remove it and deploy again")
    return version


def _swap(path: Path, version: Path) -> Path:
    """Point `current` at a version: a link made aside, then renamed over the former."""
    target = Path(VERSIONS) / version.name
    pointer = path / CURRENT
    if not pointer.is_symlink() or pointer.readlink() != target:
        aside = path / f".{CURRENT}.tmp"
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(pointer)
        fsync_directory(path)
    return version
