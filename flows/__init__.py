"""Prefect flows, one a file, named by what they do: order, retries, schedules. No arithmetic."""

import os

# Before Prefect is imported: no telemetry, patience for a first start on a busy machine, its noise to our log only.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
