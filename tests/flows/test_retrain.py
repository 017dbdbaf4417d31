"""The flow and `dvc repro` are one graph: same stages, same cache, same bytes; what is finished is never done twice."""

import os
import shutil
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
from mlflow import MlflowClient

from qatflow import artifacts
from tests.flows.project import DATA, Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]
TRAINING = ("pretrain", "quantize", "convert", "evaluate", "ensemble")


def test_first_run_promotes_deploys_and_says_where(trained: Project) -> None:
    receipt = artifacts.read_json(trained.root / "artifacts/release/receipt.json")
    deployed = artifacts.sha256_file(trained.root / "deployed/current/model.tflite")

    assert (receipt["decision"], receipt["version"], receipt["model_sha256"]) == ("promoted", 1, deployed)
    assert {name for name, outcome in trained.outcomes().items() if outcome != "ran"} == {f"{DATA}.dvc"}


def test_after_the_flow_dvc_has_nothing_to_do(trained: Project) -> None:
    assert trained.command("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    assert "didn't change" in trained.repro().stdout
    assert "Running stage" not in trained.repro().stdout


def test_second_run_does_nothing_and_says_so(trained: Project) -> None:
    before = trained.models()

    done = trained.flow()

    assert done.returncode == 0, done.stdout
    assert set(trained.outcomes().values()) == {"fresh"}
    assert trained.models() == before


@pytest.mark.parametrize("way", [Project.flow, Project.repro])
def test_deleted_outputs_come_back_without_training(trained: Project, way: Callable[[Project], object]) -> None:
    before = trained.models()
    shutil.rmtree(trained.root / "artifacts")
    (trained.root / "logs/last_run.json").unlink()

    done = way(trained)

    assert done.returncode == 0, done.stdout + done.stderr  # type: ignore[attr-defined]
    assert trained.models() == before
    if way is Project.flow:
        ran = {name.split("@")[0] for name, outcome in trained.outcomes().items() if outcome == "ran"}
        assert ran <= {"release", "deploy"}
    else:
        assert [name for name in TRAINING if f"Running stage '{name}" in done.stdout] == []  # type: ignore[attr-defined]
    assert trained.command("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_changed_data_are_noticed(trained: Project) -> None:
    path = trained.root / DATA
    before = path.read_bytes()
    with np.load(path) as data:
        np.savez(path, x=data["x"] + 1, y=data["y"])

    status = trained.command("qatflow", "status").stdout

    path.write_bytes(before)
    assert f"changed deps: {DATA}" in next(line for line in status.splitlines() if " prepare " in line)
    assert "up to date" not in next(line for line in status.splitlines() if " report " in line)


def test_lineage_names_the_versioned_data(trained: Project) -> None:
    md5 = next(line.split()[-1] for line in (trained.root / f"{DATA}.dvc").read_text().splitlines() if "md5:" in line)

    assert f"DVC md5 {md5}" in trained.command("qatflow", "lineage").stdout


@pytest.mark.long
def test_repro_in_another_clone_gives_the_same_bytes(trained: Project, clone: Callable[[], Project]) -> None:
    other = clone()

    done = other.repro()

    assert done.returncode == 0, done.stdout + done.stderr
    assert other.models() == trained.models()
    assert other.models() != {}
    assert len(_children(other)) == len(_children(trained)) - len({"release", "deploy", "report"})


def _children(project: Project) -> list[str]:
    """Return the names of all stages that MLflow holds."""
    client = MlflowClient(f"sqlite:///{project.root}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("qatflow").experiment_id])
    return sorted({run.info.run_name for run in found if "mlflow.parentRunId" in run.data.tags})


def test_changed_parameter_runs_only_what_depends_on_it(trained: Project) -> None:
    trained.set({"evaluate.latency_runs": 21})
    try:
        assert trained.flow().returncode == 0
        ran = {name.split("@")[0] for name, outcome in trained.outcomes().items() if outcome == "ran"}
        assert "evaluate" in ran
        assert ran <= {"evaluate", "ensemble", "explain", "release", "deploy", "report"}  # the ensemble is timed too
    finally:
        trained.set({"evaluate.latency_runs": 20})
        assert trained.flow().returncode == 0


def test_killed_in_the_middle_it_continues_with_what_is_missing(trained: Project, clone: Callable[[], Project]) -> None:
    project = clone()
    shutil.copytree(trained.root / ".dvc/cache", project.root / ".dvc/cache", dirs_exist_ok=True)
    project.set({"quantize.training.epochs": 40})
    process = project.start("python3", "-m", "flows.retrain")
    working = project.root / "artifacts/quantize/.qat_w8a8_per_channel.partial"
    while not working.exists():
        assert process.poll() is None, (project.root / "started.log").read_text()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project.root / "artifacts/quantize/qat_w8a8_per_channel").exists()
    project.set({"quantize.training.epochs": 1})

    done = project.flow()

    assert done.returncode == 0, done.stdout
    assert {project.outcomes()[name] for name in ("prepare", "pretrain", "quantize@ptq_w8a8")} <= {"fresh", "restored"}
    assert project.models() == trained.models()


def test_timeout_ends_a_stage_and_names_it(clone: Callable[[], Project]) -> None:
    project = clone()
    project.set({"flow.stage_timeout_s": 1, "flow.retries": 0, "pretrain.epochs": 1000})

    done = project.flow()

    assert done.returncode == 1
    assert "longer than its limit of 1 s" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_unreachable_mlflow_is_named_before_work_is_done(clone: Callable[[], Project]) -> None:
    project = clone()
    project.set({"tracking.uri": "http://127.0.0.1:9"})

    done = project.flow()

    assert done.returncode == 1
    assert "MLflow at http://127.0.0.1:9 failed; is it running" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (project.root / "artifacts").exists()


def test_mistake_in_data_is_told_once_without_traceback(clone: Callable[[], Project]) -> None:
    project = clone()
    project.set({"data.source": "csv", "data.path": "data/bad.csv"})
    (project.root / "data/bad.csv").write_text("a,label\n1,x\n2,y\nnan?,x\n")

    done = project.flow()

    assert done.returncode == 1
    assert "Error: prepare: " in done.stdout
    assert "bad.csv" in done.stdout
    assert done.stdout.count("✗ prepare") == 1
    assert "Traceback" not in done.stdout + done.stderr
