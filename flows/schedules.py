"""Serves the retrain flow: by cron, and whenever an event asks for it. `python -m flows.schedules [--port N]`.

Uses the Prefect server that PREFECT_API_URL names, else starts one. An ephemeral API is refused: it never schedules.
"""

import argparse
import os
import sys

from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.prefect_server import check_server, server
from flows.retrain import retrain
from flows.session import ROOT
from qatflow import params_file
from qatflow.errors import QATFlowError, StageError

EVENT = "qatflow.retrain.requested"


def serve() -> None:
    """Serve the deployment `retrain/qatflow` until interrupted. Payload `reason` of an event becomes the run's reason.

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
    retrain.serve(
        name="qatflow",
        cron=params_file.load(ROOT / "params.yaml").flow.cron,
        triggers=[DeploymentEventTrigger(expect={EVENT}, parameters={"reason": "{{ event.payload.reason }}"})],
        limit=1,
        pause_on_shutdown=False,
    )


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
