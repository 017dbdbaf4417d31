"""Serves a project's flows: one by cron and event, one every few minutes, one when drift was seen.

Uses the Prefect server that PREFECT_API_URL names, else starts one. An ephemeral API is refused: it never schedules.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from prefect import Flow
from prefect import serve as serve_deployments
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Cron, Interval
from prefect.server.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from qatflow import params_file
from qatflow.errors import QATFlowError, StageError
from qatflow.params.flow import FlowParams
from qatflow.pipeline.monitor import EVENT as DRIFT
from qatflow.pipeline.monitor import deployment_name, resource
from qatflow.pipeline.server import check_server, server

EVENT = "qatflow.retrain.requested"
ANYBODY = "qatflow.monitor"
"""A request for retraining that is about this resource is for every project of the server."""


@dataclass(frozen=True)
class Flows:
    """The flows that are served, by what starts them: cron or request, every few minutes, drift."""

    retrain: Flow[..., Any]
    monitor: Flow[..., Any]
    renew: Flow[..., Any]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # a log file too shows it at once


def serve(root: Path, flows: Flows, say: Callable[[str], object] = _say) -> None:
    """Serve the deployments of all three flows until interrupted. An event's `reason` becomes the run's.

    One run at a time. Late and repeated runs are harmless: over the same data and code nothing is stale.

    Args:
        root: The project.
        flows: What is served.
        say: Told what will run when.

    Raises:
        StageError: If no Prefect server is set, it does not answer, or flow.cron is no schedule.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise StageError(
            "A schedule needs a real Prefect server; an ephemeral one never schedules. Start `prefect server start` "
            "and set PREFECT_API_URL, or run `python -m flows.schedules`, which starts one."
        )
    check_server()
    params = params_file.load(root / "params.yaml")
    settings, name = params.flow, deployment_name(root, params)
    mine = {"prefect.resource.id": resource(root, params)}
    cron = Cron(settings.cron, timezone=settings.timezone)
    anybody = {"prefect.resource.id": [ANYBODY, resource(root, params)]}
    for line in plan(settings, url):
        say(line)
    serve_deployments(
        _deployment(flows.retrain, name, schedule=cron, triggers=[_on(EVENT, anybody)]),
        _deployment(flows.monitor, name, schedule=Interval(settings.monitor_every_s)),
        _deployment(flows.renew, name, triggers=[_on(DRIFT, mine)]),
        limit=1,
        pause_on_shutdown=False,
    )


def plan(settings: FlowParams, url: str) -> Iterator[str]:
    """Yield what the terminal says: what runs when, in which zone, and where to look.

    Raises:
        StageError: If flow.cron is no schedule.
    """
    yield f" retrain   next {next_run(settings):%A %Y-%m-%d %H:%M} {settings.timezone}; flow.cron '{settings.cron}'"
    yield f" monitor   every {settings.monitor_every_s} s"
    yield " renew     when monitor sees drift and has labels enough"
    yield f" Prefect   {url.removesuffix('/api')}"


def next_run(settings: FlowParams) -> datetime:
    """Return when `retrain` runs next, in the zone of the schedule.

    Raises:
        StageError: If flow.cron is no schedule.
    """
    try:
        schedule = CronSchedule(cron=settings.cron, timezone=settings.timezone)
    except ValueError:
        raise StageError(
            f"flow.cron '{settings.cron}' is no schedule; expected minute, hour, day, month and weekday, such as "
            "'0 2 * * *' for every night at two"
        ) from None
    (when,) = asyncio.run(schedule.get_dates(1, start=datetime.now(UTC)))
    return when.astimezone(ZoneInfo(settings.timezone))


def _deployment(flow: Flow[..., Any], name: str, **settings: Any) -> RunnerDeployment:
    return cast("RunnerDeployment", flow.to_deployment(name, **settings))


def _on(event: str, about: dict[str, Any]) -> DeploymentEventTrigger:
    reason = {"reason": "{{ event.payload.reason }}"}
    return DeploymentEventTrigger(expect={event}, match=about, parameters=reason)


def run_program(root: Path, flows: Flows, words: Sequence[str]) -> None:
    """Serve on the Prefect server that is set, or on one started here."""
    parser = argparse.ArgumentParser(prog="python -m flows.schedules", description=__doc__)
    parser.add_argument("--port", type=int, default=4200, help="of the Prefect server, if one is started here")
    arguments = parser.parse_args(words)
    os.chdir(root)
    try:
        if PREFECT_API_URL.value():
            serve(root, flows)
        else:
            with server(root, arguments.port) as url, temporary_settings({PREFECT_API_URL: url}):
                os.environ["PREFECT_API_URL"] = url  # the runs are processes of their own
                serve(root, flows)
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
