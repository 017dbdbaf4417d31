"""Serves the flows: `retrain` by cron and event, `monitor` every few minutes, `renew` when that one saw drift.

`python -m flows.schedules [--port N]`.

Uses the Prefect server that PREFECT_API_URL names, else starts one. An ephemeral API is refused: it never schedules.
"""

import argparse
import os
import sys
from typing import Any, cast

from prefect import Flow
from prefect import serve as serve_deployments
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.monitor import EVENT as DRIFT
from flows.monitor import monitor
from flows.prefect_server import check_server, server
from flows.renew import renew
from flows.retrain import retrain
from flows.session import ROOT
from qatflow import params_file
from qatflow.errors import QATFlowError, StageError

EVENT = "qatflow.retrain.requested"


def serve() -> None:
    """Serve the deployments `qatflow` of all three flows until interrupted. An event's `reason` becomes the run's.

    One run at a time. Late and repeated runs are harmless: over the same data and code nothing is stale.

    Raises:
        StageError: If no Prefect server is set, or it does not answer.
    """
    if not PREFECT_API_URL.value():
        raise StageError(
            "A schedule needs a real Prefect server; an ephemeral one never schedules. Start `prefect server start` "
            "and set PREFECT_API_URL, or run `python -m flows.schedules`, which starts one."
        )
    check_server()
    settings = params_file.load(ROOT / "params.yaml").flow
    serve_deployments(
        _deployment(retrain, cron=settings.cron, triggers=[_on(EVENT)]),
        _deployment(monitor, interval=settings.monitor_every_s),
        _deployment(renew, triggers=[_on(DRIFT)]),
        limit=1,
        pause_on_shutdown=False,
    )


def _deployment(flow: Flow[..., Any], **settings: Any) -> RunnerDeployment:
    return cast("RunnerDeployment", flow.to_deployment("qatflow", **settings))


def _on(event: str) -> DeploymentEventTrigger:
    return DeploymentEventTrigger(expect={event}, parameters={"reason": "{{ event.payload.reason }}"})


def main() -> None:
    """Serve on the server that is set, or on one started here."""
    parser = argparse.ArgumentParser(prog="python -m flows.schedules", description=__doc__)
    parser.add_argument("--port", type=int, default=4200, help="of the Prefect server, if one is started here")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    try:
        if PREFECT_API_URL.value():
            serve()
        else:
            with server(arguments.port) as url, temporary_settings({PREFECT_API_URL: url}):
                os.environ["PREFECT_API_URL"] = url  # the runs are processes of their own
                serve()
    except QATFlowError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
