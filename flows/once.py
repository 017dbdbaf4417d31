"""Runs a flow once, as `python -m flows.NAME [REASON]` does."""

import os
import sys
from collections.abc import Callable

from flows.prefect_server import check_server
from flows.session import ROOT
from qatflow.errors import QATFlowError


def run_once(flow: Callable[..., object], *words: str) -> None:
    """Run a flow and say what it returns; a user's mistake ends with exit code 1, without a traceback."""
    os.chdir(ROOT)
    try:
        check_server()
        sys.stdout.write(f"{flow(*words)}\n")
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
