"""Gives the records of a snapshot to DVC, as a versioned data set."""

from __future__ import annotations

from pathlib import Path

from qatflow.errors import StageError
from qatflow.online.snapshot import RECORDS, START


def version_snapshot(root: Path, folder: Path) -> None:
    """Let DVC track records and first checkpoint of a snapshot; a repeat changes nothing. Outside of DVC do nothing.

    Raises:
        StageError: If DVC refuses; the snapshot stays as it is.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if not (root / ".dvc").is_dir() or not folder.resolve().is_relative_to(root.resolve()):
        return
    try:
        with Repo(str(root)) as repo:
            repo.add([str(folder / RECORDS), str(folder / START)])
    except DvcException as error:
        raise StageError(f"DVC cannot track {folder}: {error}") from None
