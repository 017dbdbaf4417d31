"""The user's files: found, hashed before use, and checked not to change while they are read."""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qatflow.artifacts import digest, sha256_file
from qatflow.data.base import RawData
from qatflow.errors import DataError

MAX_LISTED = 1000


def require_file(path: str, expected: str) -> Path:
    """Return `path` if it is a file; `expected` says what it should hold.

    Raises:
        DataError: If it does not exist, cannot be reached or is no file.
    """
    if not stat.S_ISREG(_mode(path, expected)):
        raise DataError(f"data.path '{path}' is not a file; expected {expected}")
    return Path(path)


def require_folder(path: str, expected: str) -> Path:
    """Return `path` if it is a folder; `expected` says what it should hold.

    Raises:
        DataError: If it does not exist, cannot be reached or is no folder.
    """
    if not stat.S_ISDIR(_mode(path, expected)):
        raise DataError(f"data.path '{path}' is not a folder; expected {expected}")
    return Path(path)


def hash_files(raw: RawData) -> list[dict[str, Any]]:
    """Return path, sha256 and size_bytes of every file of a data set.

    Raises:
        DataError: If a file cannot be read.
    """
    return [_record(path, raw.root) for path in raw.files]


def check_unchanged(raw: RawData, before: Sequence[dict[str, Any]]) -> None:
    """Hash all files again after they were used.

    Raises:
        DataError: If one differs from what was hashed `before`.
    """
    for old, new in zip(before, hash_files(raw), strict=True):
        if old != new:
            raise DataError(f"{old['path']} changed while it was read; run again when nothing writes to it")


def card_entries(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the file entries of the data card: all files, or the first 1000 and one digest over all."""
    if len(records) <= MAX_LISTED:
        return {"files": list(records)}
    return {
        "files": list(records[:MAX_LISTED]),
        "files_total": len(records),
        "files_sha256": digest(list(records)),
    }


def _mode(path: str, expected: str) -> int:
    try:
        return Path(path).stat().st_mode
    except FileNotFoundError:
        raise DataError(f"data.path '{path}' does not exist; expected {expected}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"data.path '{path[:200]}' cannot be used: {reason}; expected {expected}") from None


def _record(path: Path, root: Path) -> dict[str, Any]:
    name = path.relative_to(root) if path.is_relative_to(root) else path
    try:
        return {"path": name.as_posix(), "sha256": sha256_file(path), "size_bytes": path.stat().st_size}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
