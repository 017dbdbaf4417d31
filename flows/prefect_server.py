"""The Prefect server: whether it answers, and one started for as long as it is needed. Waits for it, never sleeps."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL

from flows.session import ROOT
from qatflow.errors import StageError

START_TIMEOUT_S = 120


def check_server() -> None:
    """Check the server that is set, if one is.

    Raises:
        StageError: If it does not answer.
    """
    url = PREFECT_API_URL.value()
    if url and not _answers(url):
        raise StageError(f"The Prefect server at {url} does not answer. Is it running? PREFECT_API_URL names it.")


@contextmanager
def server(port: int) -> Iterator[str]:
    """Start a Prefect server on the loopback; give its API address; end it with the block.

    Raises:
        StageError: If the port is taken, or the server does not come up.
    """
    _check_port(port)
    url = f"http://127.0.0.1:{port}/api"
    log = ROOT / "logs" / "prefect-server.log"
    log.parent.mkdir(exist_ok=True)
    env = os.environ | {"PREFECT_SERVER_UI_API_URL": url, "PREFECT_UI_API_URL": url}
    with log.open("ab") as output:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        # Its pages ask this address; by default they ask port 4200, wherever they come from.
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, env=env)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StageError(f"The Prefect server did not start within {START_TIMEOUT_S} s; its log is {log}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StageError(f"Port {port} is in use. Choose another with --port, or stop what uses it.") from None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False
