"""Versioned folders: `versions/<digest>/` holds models side by side, `current` points to the one in use."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow.artifacts import fsync_directory
from qatflow.errors import DeployError
from qatflow.release.bundle import Bundle
from qatflow.release.golden import check_golden

VERSIONS, CURRENT = "versions", "current"
DIGEST_LENGTH = 16


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other deployments to `path` out, and name what stands in the way of this one.

    Raises:
        DeployError: If the disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with (path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise DeployError(
            f"Cannot deploy to {path}: {error.strerror or error}; what was deployed before is untouched"
        ) from error


def version_of(path: Path, sha256: str) -> Path:
    """Return the folder of a model, which may not be there yet; clears what a killed one left. Call it locked."""
    folder = path / VERSIONS
    folder.mkdir(exist_ok=True)
    for leftover in folder.glob(".*.tmp"):
        shutil.rmtree(leftover)
    return folder / sha256[:DIGEST_LENGTH]


Step = Callable[[Path], None]
"""Fills or checks a model's folder; what it raises leaves in use what was."""


def put(path: Path, digest: str, fill: Step, check: Step) -> str:
    """Install a model's folder unless it is there, check it, point to it, and return its name below `path`.

    Raises:
        DeployError: If the disk refuses.
    """
    with locked(path):
        version = placed(path, digest, fill, check)
        swap(path, version)
    return f"{VERSIONS}/{version.name}"


def placed(path: Path, digest: str, fill: Step, check: Step) -> Path:
    """Install a model's folder unless it is there, check it, and return it. Call it locked."""
    version = version_of(path, digest)
    if not version.exists():
        install(version, fill)
    check(version)
    return version


def install(version: Path, fill: Step) -> None:
    """Let `fill` write and try a model's folder under another name; the last step gives it its own."""
    workplace = version.with_name(f".{version.name}.tmp")
    workplace.mkdir()
    try:
        fill(workplace)
        workplace.rename(version)
        fsync_directory(version.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def tried(bundle: Path) -> None:
    """Repeat a bundle's golden outputs in a process of its own.

    Raises:
        DeployError: If they differ, or it does not run.
    """
    check = check_golden(bundle)
    if check.max_lsb != 0:
        what = check.error or f"its golden outputs differ by {check.max_lsb:g} LSB on this machine"
        raise DeployError(f"{bundle} is not fit for use here: {what}")


def check_same(deployed: Bundle, asked: Bundle) -> None:
    """Check that what lies there under a flatbuffer's digest answers as the bundle that is asked for.

    Raises:
        DeployError: If it is another flatbuffer, or the same one with other labels, units or scales.
    """
    if (deployed.sha256, deployed.meaning) != (asked.sha256, asked.meaning):
        what = (
            "holds another model" if deployed.sha256 != asked.sha256 else "holds it with other labels, columns or units"
        )
        raise DeployError(f"{deployed.path} {what} than {asked.path}; remove it and deploy again")


def swap(path: Path, version: Path) -> Path:
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
