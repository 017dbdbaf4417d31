"""Runs a module as a program that ends when its parent does: `python -m flows.child MODULE [ARGUMENTS]`.

It must lead a session of its own, so that the terminal's Ctrl-C does not reach it before its parent. Its standard input
is a pipe that the parent holds: however the parent dies, the pipe closes, and all of this session is ended.
"""

import os
import runpy
import select
import signal
import sys
import threading


def end_with(pid: int) -> None:
    """End this process as soon as another is gone, as a flow's is to that a schedule began."""

    def wait() -> None:
        select.select([os.pidfd_open(pid)], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    if hasattr(os, "pidfd_open"):  # Linux
        threading.Thread(target=wait, daemon=True).start()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
