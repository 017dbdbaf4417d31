"""A sweep with a real Prefect server and a real Dask cluster, one of whose workers is killed while it works."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient

from qatflow import artifacts
from tests.flows.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]
TINY = {
    "data.max_samples": 150,
    "pretrain.epochs": 1,
    "quantize.calibration_samples": 32,
    "sweep.optimizers": ["adam", "lion"],
    "sweep.strategies": ["qat_w8a8_per_channel"],
    "sweep.models": ["mlp"],
    "sweep.target": 0.05,
}


@pytest.fixture(scope="module")
def swept(clone: Callable[[], Project]) -> tuple[Project, int]:
    """Return a clone in which a sweep of four trials ran, and the process that was killed meanwhile."""
    project = clone()
    project.set(TINY)
    process = project.start("qatflow", "sweep", "--reason", "one worker is killed")
    victim = _worker_at_work(project.root, process)
    os.kill(victim, signal.SIGKILL)
    assert process.wait(280) == 0, (project.root / "started.log").read_text()
    return project, victim


def _worker_at_work(root: Path, flow: subprocess.Popen[bytes]) -> int:
    """Wait until a trial is under way: its process is in the name of the folder that the float model will lie in."""
    folder = root / ".qatflow/sweep/float"
    deadline = time.monotonic() + 200
    while not (found := [path.name for path in folder.glob(".*.partial")] if folder.exists() else []):
        assert flow.poll() is None, (root / "started.log").read_text()
        assert time.monotonic() < deadline, (root / "started.log").read_text()
        time.sleep(0.02)
    pid = int(found[0].split("-")[1])
    assert flow.pid in {parent.pid for parent in psutil.Process(pid).parents()}
    return pid


def test_all_trials_end_though_a_worker_was_killed(swept: tuple[Project, int]) -> None:
    project, victim = swept
    found = artifacts.read_json(project.root / "artifacts/sweep/results.json")

    assert not psutil.pid_exists(victim)
    assert f"Worker process {victim} was killed by signal 9" in (project.root / "logs/sweep.log").read_text()
    assert found["counts"] == {"done": 4, "failed": 0, "lost": 0, "pruned": 0}
    assert {(trial["optimizer"], trial["seed"]) for trial in found["trials"]} == {
        (optimizer, seed) for optimizer in ("adam", "lion") for seed in (42, 43)
    }
    assert found["ranks"]["blocks"] == 2
    for trial in found["trials"]:
        kept = project.root / ".qatflow/sweep/trials" / trial["key"][:32] / "model.tflite"
        assert artifacts.sha256_file(kept) == trial["sha256"]


def test_mlflow_holds_every_trial_under_one_parent(swept: tuple[Project, int]) -> None:
    runs = _runs(swept[0])
    parent = next(run for run in runs if run.info.run_name == "sweep")
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]

    assert parent.data.tags["reason"] == "one worker is killed"
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted((run.data.params["optimizer"], run.data.params["seed"]) for run in children) == [
        *(("adam", "42"), ("adam", "43"), ("lion", "42"), ("lion", "43"))
    ]
    assert all({"val_score", "test_score", "size_bytes", "val_accuracy"} <= set(run.data.metrics) for run in children)


def _runs(project: Project) -> list[Any]:
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    return list(client.search_runs([client.get_experiment_by_name("qatflow").experiment_id]))


def test_the_report_opens_and_shows_all_trials(swept: tuple[Project, int]) -> None:
    folder = swept[0].root / "artifacts/sweep"
    artifacts.verify(folder)
    cells, tags = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            cells.extend(str(value) for name, value in attrs if tag == "code" and name == "title")

    Reader().feed((folder / "index.html").read_text())
    found = artifacts.read_json(folder / "results.json")
    assert sorted(cells) == sorted(trial["sha256"] for trial in found["trials"])
    assert tags.count("figure") == tags.count("svg") == 3


def test_the_screen_shows_a_line_for_each_trial_and_says_where_the_report_is(swept: tuple[Project, int]) -> None:
    said = (swept[0].root / "started.log").read_text()

    assert said.count(" ✓ adam") + said.count(" ✓ lion") == 4
    assert "is the best on the validation split" in said
    assert f"report  {swept[0].root}/artifacts/sweep/index.html" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sweep.scheduler=tcp://127.0.0.1:9", "need a Prefect server that they can reach"),
        ("tracking.uri=http://127.0.0.1:9", "MLflow at http://127.0.0.1:9 failed; is it running"),
    ],
)
def test_services_that_are_not_there_are_named_before_a_trial_begins(
    swept: tuple[Project, int], setting: str, words: str
) -> None:
    project, _ = swept
    before = (project.root / "params.yaml").read_text()

    done = project.command("qatflow", "sweep", "--set", setting)

    (project.root / "params.yaml").write_text(before)
    assert done.returncode == 1
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
