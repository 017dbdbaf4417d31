"""Keeps the remarks of native libraries off standard error: which delegate LiteRT made, what oneDNN does."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_open: list[int] = []
"""Copies of the real standard error, one for each block that is under way; the last block puts it back."""


@contextmanager
def hushed() -> Iterator[None]:
    """Send file descriptor 2 nowhere. Blocks may lie in one another and run in several threads."""
    with _lock:
        _open.append(_copied())
    try:
        yield
    finally:
        with _lock:
            saved = _open.pop()
            if not _open:
                os.dup2(saved, 2)
            os.close(saved)


def _copied() -> int:
    """Return a copy of the real standard error, and send it nowhere if it is not yet so."""
    if _open:
        return os.dup(_open[0])
    try:
        saved = os.dup(2)
    except OSError:  # a service without standard error
        saved = os.open(os.devnull, os.O_WRONLY)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    return saved
