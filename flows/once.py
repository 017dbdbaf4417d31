"""Runs a flow once, as `python -m flows.NAME [REASON]` does."""

import os
import sys
from collections.abc import Callable

from flows.prefect_server import own_server
from flows.session import ROOT
from qatflow.cli.files import sentence
from qatflow.errors import QATFlowError
from qatflow.stopping import stoppable


def run_once(flow: Callable[..., object], *words: str) -> None:
    """Run a flow and say what it returns; a user's mistake ends with exit code 1, without a traceback."""
    os.chdir(ROOT)
    try:
        with stoppable(_say_stopped), own_server() as use:
            use()
            sys.stdout.write(f"{flow(*words)}\n")
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: {sentence(error)}")


def _say_stopped() -> None:
    sys.stderr.write("Stopped.\n")
