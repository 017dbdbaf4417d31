"""Waiting for a process to become ready, instead of sleeping and hoping."""

import subprocess
import time
from collections.abc import Callable

from qatflow.errors import StageError


def wait_until(ready: Callable[[], bool], timeout_s: float, what: str, process: subprocess.Popen[bytes]) -> None:
    """Return once `ready()` is true.

    Raises:
        StageError: If `process` ended before, or `timeout_s` passed.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise StageError(f"Started in vain, it ended with exit code {process.returncode}: {what}")
        if time.monotonic() > deadline:
            raise StageError(f"Waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(0.1)
