"""How a flow is run as a program: on one calm screen, or for one line; a plain sentence and an exit code at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow.errors import QATFlowError, refusal
from qatflow.pipeline.server import own_server
from qatflow.screen import Screen, quiet
from qatflow.stopping import stoppable


@contextmanager
def program(root: Path, log: Path, stopped: str) -> Iterator[Screen]:
    """Give the screen; a user's mistake ends the program with exit code 1, a signal with 128 and its number.

    Args:
        root: The project, which becomes the current folder.
        log: Takes what libraries print.
        stopped: What to say when it was told to end: what is kept, and how to go on.
    """
    os.chdir(root)
    try:
        with quiet(log) as console:
            screen = Screen(console)

            def say(text: str, style: str = "") -> None:
                screen.ready()
                screen.say(text, style)

            with stoppable(lambda: say(f"Stopped. {stopped}")):
                try:
                    yield screen
                except QATFlowError as error:
                    say(f"Error: {error}", "red")
                    sys.exit(1)
                except OSError as error:
                    say(f"Error: {refusal(error)}", "red")
                    sys.exit(1)
    except QATFlowError as error:  # before there is a screen
        sys.exit(f"Error: {error}")


def run_once(root: Path, flow: Callable[..., object], *words: str) -> None:
    """Run a flow and say what it returns; a user's mistake ends with exit code 1, without a traceback."""
    os.chdir(root)
    try:
        with stoppable(_say_stopped), own_server(root) as use:
            use()
            sys.stdout.write(f"{flow(*words)}\n")
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {refusal(error)}")


def _say_stopped() -> None:
    sys.stderr.write("Stopped.\n")
