"""What must be settled in a process before a flow's imports, Prefect's among them."""

import os
import sys
from pathlib import Path

from qatflow import stopping
from qatflow.errors import QATFlowError
from qatflow.home import settle_home


def settle(root: Path) -> None:
    """Let the process end when it is told to, find a home, and ask no server of Prefect's maker anything."""
    if "PREFECT__FLOW_RUN_ID" in os.environ:  # a process of the schedule's, which only that one ends
        stopping.end_with(os.getppid())
    elif sys.argv[0] == "-m":  # python -m flows.NAME: what follows imports for seconds
        stopping.at_once()
    try:
        settle_home(root)
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
    # No telemetry, patience for a first start on a busy machine, Prefect's noise to our log only.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
