"""Serves the retrain flow: by cron, and whenever an event asks for it. `python -m flows.schedules [--port N]`.

Uses the Prefect server that PREFECT_API_URL names, else starts one. An ephemeral API is refused: it never schedules.
"""

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.retrain import retrain
from flows.session import ROOT
from flows.waiting import wait_until
from qatflow import params_file
from qatflow.errors import QATFlowError, StageError

EVENT = "qatflow.retrain.requested"
START_TIMEOUT_S = 120


def serve() -> None:
    """Serve the deployment `retrain/qatflow` until interrupted. Payload `reason` of an event becomes the run's reason.

    One run at a time. Late and repeated runs are harmless: over the same data and code nothing is stale.

    Raises:
        StageError: If no Prefect server is set, or it does not answer.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise StageError(
            "A schedule needs a real Prefect server; an ephemeral one never schedules. Start `prefect server start` "
            "and set PREFECT_API_URL, or run `python -m flows.schedules`, which starts one."
        )
    if not _healthy(url):
        raise StageError(f"The Prefect server at {url} does not answer. Is it running? PREFECT_API_URL names it.")
    retrain.serve(
        name="qatflow",
        cron=params_file.load(ROOT / "params.yaml").flow.cron,
        triggers=[DeploymentEventTrigger(expect={EVENT}, parameters={"reason": "{{ event.payload.reason }}"})],
        limit=1,
        pause_on_shutdown=False,
    )


@contextmanager
def server(port: int) -> Iterator[str]:
    """Start a Prefect server on the loopback; give its API address; end it with the block.

    Raises:
        StageError: If the port is taken, or the server does not come up.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StageError(f"Port {port} is in use. Choose another with --port, or stop what uses it.") from None
    url = f"http://127.0.0.1:{port}/api"
    log = ROOT / "logs" / "prefect-server.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    try:
        wait_until(lambda: _healthy(url), START_TIMEOUT_S, f"the Prefect server; its log is {log}", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False


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
