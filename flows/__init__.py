"""Prefect flows, one a file, named by what they do: order, retries, schedules. No arithmetic."""

import os
import sys
from pathlib import Path

from qatflow import stopping
from qatflow.errors import QATFlowError
from qatflow.home import settle_home

if "PREFECT__FLOW_RUN_ID" in os.environ:  # a process of the schedule's, which only that one ends
    stopping.end_with(os.getppid())
elif sys.argv[0] == "-m":  # python -m flows.NAME: what follows imports for seconds
    stopping.at_once()
try:
    settle_home(Path(__file__).parents[1])
except QATFlowError as error:
    sys.exit(f"Error: {error}")

# Before Prefect is imported: no telemetry, patience for a first start on a busy machine, its noise to our log only.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
