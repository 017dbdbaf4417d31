"""Runs a module as a program that ends when its parent does: `python -m qatflow.pipeline.child MODULE [ARGUMENTS]`.

It must lead a session of its own, so that the terminal's Ctrl-C does not reach it before its parent. Its standard input
is a pipe that the parent holds: however the parent dies, the pipe closes, and all of this session is ended.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
