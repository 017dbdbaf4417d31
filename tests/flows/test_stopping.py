"""A run that is told to end, or killed, leaves nothing behind: no process, no open run in MLflow, no lock."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from qatflow.adapters.mlflow_tracking import MlflowTracker
from tests.flows.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]
SOON_S = 20.0


@pytest.fixture(scope="module")
def project(clone: Callable[[], Project]) -> Project:
    """Return a clone whose training takes for ever, with data prepared."""
    project = clone()
    project.set({"pretrain.epochs": 100_000})
    assert project.command("dvc", "repro", "prepare").returncode == 0
    return project


@pytest.fixture
def training(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Give a run in the middle of its training, with a Prefect server of its own."""
    process = project.start("qatflow", "run")
    working = project.root / "artifacts" / ".pretrain.partial"
    try:
        while not working.exists():
            assert process.poll() is None, (project.root / "started.log").read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def _descendants(pid: int) -> set[int]:
    """Return the processes that a process started, at any depth."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found - {pid}


def _all_gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + SOON_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_ctrl_c_ends_it_with_one_line_and_nobody_else_gets_in_meanwhile(
    project: Project, training: subprocess.Popen[bytes]
) -> None:
    started = _descendants(training.pid)
    before = (project.root / "params.yaml").read_bytes()
    other = project.command("qatflow", "run", "--set", "seed=7")
    assert (other.returncode, (project.root / "params.yaml").read_bytes()) == (1, before)
    assert f"This project is held by `qatflow run`, by hand (process {training.pid} of" in other.stderr
    assert len(started) >= len(("the worker", "the server"))
    said = (project.root / "started.log").stat().st_size

    asked = time.monotonic()
    os.killpg(training.pid, signal.SIGINT)  # as the terminal does: all of its group

    assert training.wait(SOON_S) == 128 + signal.SIGINT
    assert time.monotonic() - asked < SOON_S
    last = (project.root / "started.log").read_bytes()[said:].decode()
    assert "Stopped. Finished stages are kept; `qatflow run` goes on after them." in last
    assert "Traceback" not in last
    assert _all_gone(started)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_nothing_is_left(
    project: Project, training: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    started = _descendants(training.pid)

    training.send_signal(number)

    assert training.wait(SOON_S) in {128 + number, -number}
    assert _all_gone(started)
    tracker = MlflowTracker("sqlite:///mlflow.db", "qatflow", project.root)
    assert _statuses(tracker.client, tracker.experiment_id) <= {"FINISHED", "FAILED", "KILLED"}


def _statuses(client: MlflowClient, experiment: str) -> set[str]:
    return {run.info.status for run in client.search_runs([experiment])}
