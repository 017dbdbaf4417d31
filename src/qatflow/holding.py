"""A lock for as long as something is going on, which says who holds it. A process that dies lets go."""

import fcntl
import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qatflow.errors import StageError


def project_lock(root: Path) -> Path:
    """Return the lock of whoever changes this project's parameters and outputs."""
    return root / ".qatflow" / "run.lock"


@contextmanager
def held(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock for the block.

    Args:
        lock: Its file; made if there is none.
        what: Told to others that want it meanwhile, such as "a run".

    Raises:
        StageError: If somebody holds it, or the file cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise StageError(f"Cannot write {lock} ({error.strerror}); whoever works in a project must own it") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise StageError(f"This project is held by {file.read(500) or what}. Wait for it, or end it.") from None
        file.truncate(0)
        file.write(f"{what} ({_who()})")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _who() -> str:
    name = str(os.getuid())
    with suppress(OSError, KeyError):  # a container's user may have no name
        name = getpass.getuser()
    return f"process {os.getpid()} of {name} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}"
