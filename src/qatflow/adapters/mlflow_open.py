"""Which MLflow runs this process has begun and not ended, so that the next process can end those of one that died.

Each process appends to a file of its own below .qatflow/mlflow, on which it holds a lock for as long as it lives: a
file that can be locked belongs to the dead. So runs of other processes, machines and projects are never touched.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from qatflow.errors import TrackingError


class OpenRuns:
    """The runs of this process in one project."""

    def __init__(self, root: Path) -> None:
        self._folder = root.absolute() / ".qatflow" / "mlflow"

    def begun(self, run_id: str) -> None:
        """Note a run before anything is logged to it."""
        os.write(_own_file(self._folder), f"+{run_id}\n".encode())

    def ended(self, run_id: str) -> None:
        """Note that a run was ended."""
        os.write(_own_file(self._folder), f"-{run_id}\n".encode())

    def end_dead(self, end: Callable[[str], None]) -> None:
        """Call `end` for each run that a dead process left open, then forget it; if `end` raises, it is kept."""
        for file in sorted(self._folder.glob("*.runs")):
            with file.open("rb") as left:
                try:
                    fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its process lives
                for run_id in _open_in(left.read().decode(errors="replace")):
                    end(run_id)
                file.unlink(missing_ok=True)


@cache
def _own_file(folder: Path) -> int:
    """Return a descriptor of this process's file, made on first use, that stays open and locked.

    Raises:
        TrackingError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{uuid.uuid4().hex}"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        aside.rename(
            folder / f"{os.getpid()}-{aside.name[1:]}.runs"
        )  # under a name that is looked at once it is locked
    except OSError as error:
        raise TrackingError(f"Cannot write in {folder}: {error.strerror}") from None
    return descriptor


def _open_in(text: str) -> Iterator[str]:
    ended = {line[1:] for line in text.splitlines() if line.startswith("-")}
    yield from (line[1:] for line in text.splitlines() if line.startswith("+") and line[1:] not in ended)
