"""How a program of ours ends when it is told to: by Ctrl-C, SIGTERM, or SIGHUP of a closed terminal.

In seconds, with one line, and with the exit code that shells use for a signal. Imports next to nothing, so that it can
stand before the imports that take long.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 10.0
"""Tidying up must be done in this time; then the program ends in the middle of it, as if it were killed."""


class Stopped(KeyboardInterrupt):
    """The program was told to end."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.code = 128 + number


def at_once() -> None:
    """Until `stoppable`: end at once when told to. For the first seconds, in which nothing is begun yet."""

    def end(number: int, _: Any) -> None:
        os.write(2, b"Stopped.\n")
        os._exit(128 + number)

    _handle(end)


def by_default() -> None:
    """Take `at_once` back: signals do what Python lets them do."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def end_with(pid: int) -> None:
    """End this process as soon as another is gone, as a flow's is to that a schedule began."""

    def wait() -> None:
        select.select([os.pidfd_open(pid)], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    if hasattr(os, "pidfd_open"):  # Linux
        threading.Thread(target=wait, daemon=True).start()


@contextmanager
def stoppable(say: Callable[[], None]) -> Iterator[None]:
    """Raise `Stopped` in the block when the program is told to end; then call `say` and exit.

    Args:
        say: Prints the one line.
    """

    def stop(number: int, _: Any) -> None:
        _handle(lambda *_: None)  # one is enough
        watchdog = threading.Timer(GRACE_S, give_up, [128 + number])
        watchdog.daemon = True
        watchdog.start()
        raise Stopped(number)

    def give_up(code: int) -> None:
        say()
        os._exit(code)

    _handle(stop)
    try:
        yield
    except KeyboardInterrupt as stopped:
        say()
        sys.exit(stopped.code if isinstance(stopped, Stopped) else 128 + signal.SIGINT)


def _handle(handler: Callable[[int, Any], None]) -> None:
    """Set a handler, but where whoever started us wants a signal ignored, as `nohup` does."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
