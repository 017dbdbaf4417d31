"""How a flow is run as a program: on one calm screen, with a plain sentence and an exit code at its end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.session import ROOT
from qatflow.cli.files import sentence
from qatflow.cli.screen import Screen, quiet
from qatflow.errors import QATFlowError
from qatflow.stopping import stoppable


@contextmanager
def program(log: Path, stopped: str) -> Iterator[Screen]:
    """Give the screen; a user's mistake ends the program with exit code 1, a signal with 128 and its number.

    Args:
        log: Takes what libraries print.
        stopped: What to say when it was told to end: what is kept, and how to go on.
    """
    os.chdir(ROOT)
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
                    say(f"Error: {sentence(error)}", "red")
                    sys.exit(1)
    except QATFlowError as error:  # before there is a screen
        sys.exit(f"Error: {error}")
