"""A real Prefect server runs the cron deployment and the event-triggered one; an ephemeral API is refused."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from qatflow import params_file
from tests.flows.project import Project, free_port

pytestmark = [pytest.mark.slow, pytest.mark.flow]


def _wait(ready: Callable[[], Any], timeout_s: float, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := ready()):
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.5)
    return found


@pytest.fixture
def served(trained: Project) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    trained.set({"flow.cron": "* * * * *"})
    process = trained.start(sys.executable, "-m", "flows.schedules", "--port", str(port))
    url = f"http://127.0.0.1:{port}/api"
    yield url, process
    process.send_signal(signal.SIGINT)
    process.wait(300)  # a run that began meanwhile ends first
    trained.set({"flow.cron": "0 2 * * *"})


def _runs(url: str, what: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        answer = httpx.post(f"{url}/flow_runs/filter", json=what, timeout=5)
    except httpx.HTTPError:
        return []
    return list(answer.json()) if answer.is_success else []


def _completed(url: str, chosen: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    runs = _runs(url, {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
    return [run for run in runs if chosen(run)]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_cron_and_event_start_real_runs(served: tuple[str, subprocess.Popen[bytes]], trained: Project) -> None:
    url, process = served
    _wait(lambda: _runs(url, {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}), 120, process)
    pages = httpx.get(f"{url.removesuffix('/api')}/ui-settings", timeout=5).json()
    assert pages["api_url"] == url  # else the pages ask port 4200, wherever they come from
    names = {one["name"] for one in httpx.post(f"{url}/deployments/filter", json={}, timeout=5).json()}
    assert len(names) == 1
    assert (trained.root / ".qatflow" / "prefect.db").is_file()  # pages show no other project's runs
    assert names.pop().startswith(params_file.load(trained.root / "params.yaml").release.name)
    event = (
        "from prefect.events import emit_event\n"
        "emit_event('qatflow.retrain.requested', {'prefect.resource.id': 'qatflow.monitor'},"
        " payload={'reason': 'drift'})"
    )
    assert trained.command(sys.executable, "-c", event, PREFECT_API_URL=url).returncode == 0

    by_event = _wait(lambda: _completed(url, lambda run: run["parameters"].get("reason") == "drift"), 180, process)
    by_cron = _wait(lambda: _completed(url, lambda run: run["auto_scheduled"]), 180, process)

    assert len(by_event) == 1
    assert by_cron[0]["name"] != by_event[0]["name"]
    assert trained.command("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_ephemeral_server_is_refused(trained: Project) -> None:
    done = trained.command(
        sys.executable,
        "-c",
        "import flows; from qatflow.pipeline.schedules import Flows, serve; serve(flows.ROOT, Flows(*[None] * 3))",
    )

    assert done.returncode != 0
    assert "A schedule needs a real Prefect server" in done.stderr


@pytest.mark.parametrize("flow", ["flows.schedules", "flows.retrain"])
def test_server_that_does_not_answer_is_named(trained: Project, flow: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    done = trained.command(sys.executable, "-m", flow, PREFECT_API_URL=url)

    assert done.returncode == 1
    assert f"The Prefect server at {url} does not answer" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_port_in_use_is_named(trained: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = trained.command(sys.executable, "-m", "flows.schedules", "--port", str(port))

    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr
