"""Runs a piece of work in a forked child that kills itself at a chosen durable step, or has no disk left."""

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def killed_before(step: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child that gets SIGKILL just before its `step`-th durable step, from 0; return whether it did.

    A durable step is an fsync, a rename, or the making of a folder or link.
    """
    return _in_child(lambda: _die_before(step), work) == -signal.SIGKILL


def without_disk(limit_bytes: int, work: Callable[[], object]) -> int:
    """Do `work` in a child in which no file can grow beyond `limit_bytes`; return its exit code, 1 for an error."""
    return _in_child(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)), work)


def _in_child(prepare: Callable[[], None], work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            prepare()
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _die_before(step: int) -> None:
    left = step

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*args, **kwargs)

        return counting

    os.fsync = counted(os.fsync)
    for name in ("replace", "rename", "mkdir", "symlink_to"):
        setattr(Path, name, counted(getattr(Path, name)))
