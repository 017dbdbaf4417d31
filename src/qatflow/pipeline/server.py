"""The Prefect server: whether it answers, and one started for as long as it is needed. Waits for it, never sleeps."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    get_current_settings,
    temporary_settings,
)

from qatflow.errors import StageError

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 5
LOG = Path("logs") / "prefect-server.log"
"""Of a project."""
_PASSING = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


def check_server() -> None:
    """Check the server that is set, if one is.

    Raises:
        StageError: If it does not answer.
    """
    url = PREFECT_API_URL.value()
    if url and not _answers(url):
        raise StageError(f"The Prefect server at {url} does not answer. Is it running? PREFECT_API_URL names it.")


@contextmanager
def server(root: Path, port: int) -> Iterator[str]:
    """Start a Prefect server on the loopback; give its API address; end it with the block, or with this process.

    Raises:
        StageError: If the port is taken, or the server does not come up.
    """
    _check_port(port)
    url = f"http://127.0.0.1:{port}/api"
    # Its pages ask this address; by default they ask port 4200, wherever they come from.
    settings = {"PREFECT_SERVER_UI_API_URL": url, "PREFECT_UI_API_URL": url, **database_of(root)}
    words = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _child(root, words, settings) as process:
        _await(root, process, url)
        yield url


def database_of(root: Path) -> dict[str, str]:
    """Return settings by which a server started in `root` keeps its runs in this project, unless a database is set.

    In Prefect's home, the default, they would lie with those of all projects of this machine: each server would show
    and plan the others' deployments too.
    """
    if "connection_url" in get_current_settings().server.database.model_fields_set:
        return {}
    (root / ".qatflow").mkdir(exist_ok=True)
    relative = "sqlite+aiosqlite:///.qatflow/prefect.db"  # to its working folder, whose name may hold anything
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": relative}


@contextmanager
def own_server(root: Path) -> Iterator[Callable[[], None]]:
    """Start a server for the flows of this process alone, unless PREFECT_API_URL names one; end it with the block.

    Prefect's own temporary server hears the terminal's Ctrl-C before the flow does, outlives a killed flow, and obeys
    everybody on this machine. This one does none of that: it asks for a password that is made anew each time.

    Yields:
        What waits until the server answers, and lets flows use it. Raises a `StageError` if it does not come up.
    """
    if PREFECT_API_URL.value():
        yield check_server
        return
    _check_home(PREFECT_HOME.value())
    password = f"qatflow:{secrets.token_urlsafe(32)}"
    with ExitStack() as stack, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        descriptor = listening.fileno()
        words = ["uvicorn", "--factory", "prefect.server.api.server:create_app", "--fd", str(descriptor)]
        more = {**_PASSING, "PREFECT_SERVER_API_AUTH_STRING": password}
        process = stack.enter_context(_child(root, [*words, "--log-level", "error"], more, descriptor))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        listening.close()  # the child has it

        def use() -> None:
            _await(root, process, url)
            settings = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: password, PREFECT_LOGGING_TO_API_ENABLED: False}
            stack.enter_context(temporary_settings(settings))
            for name, value in {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": password}.items():
                os.environ[name] = value  # for processes that are started here
                stack.callback(os.environ.pop, name, None)

        yield use


@contextmanager
def _child(
    root: Path, words: list[str], more: Mapping[str, str], *descriptors: int
) -> Iterator[subprocess.Popen[bytes]]:
    log = root / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "qatflow.pipeline.child", *words],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=root,
            env={**os.environ, **more},
            pass_fds=descriptors,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _await(root: Path, process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StageError(f"The Prefect server did not start within {START_TIMEOUT_S} s; its log is {root / LOG}")
        time.sleep(0.1)


def _check_home(home: Path) -> None:
    """Check that a server can keep its database."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        good = os.access(home, os.W_OK | os.X_OK)
    except OSError:
        good = False
    if not good:
        raise StageError(f"Prefect cannot keep its database in {home}; set PREFECT_HOME to a folder of your own")


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
