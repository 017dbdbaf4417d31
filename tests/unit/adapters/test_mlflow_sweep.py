"""What MLflow holds of a sweep, logged to a real SQLite store by one process."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from qatflow.adapters.mlflow_sweep import SweepTracker
from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.params.data import DataParams
from qatflow.params.root import Params
from qatflow.sweep.origin import prepared_folder
from qatflow.sweep.result import TrialResult

pytestmark = pytest.mark.slow
TRIAL = {"optimizer": "lion", "strategy": "qat_w4a8", "model": "mlp", "seed": 7, "learning_rate": 1e-4}
DONE = {
    "key": "k",
    "trial": TRIAL,
    "status": "done",
    "reason": "",
    "history": [{"epoch": 1.0, "val_accuracy": 0.5}, {"epoch": 2.0, "val_accuracy": 0.75}],
    "val_score": 0.75,
    "test_score": 0.7,
    "size_bytes": 123,
    "seconds": 4.0,
    "sha256": "a" * 64,
}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[MlflowClient, dict[str, Any]]:
    """Log a trial of each kind; return a client, and the runs by name."""
    with stage_output(prepared_folder(tmp_path), "prepare") as out:
        prepare_data(DataParams(max_samples=40), "auto", 0, out)
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("<p>")
    tracker = SweepTracker(tmp_path, Params(), "why not")
    tracker.log("good", TrialResult.model_validate(DONE), repeated=True)
    for status in ("failed", "pruned", "lost"):
        ended = {"trial": TRIAL, "key": "k", "status": status, "reason": f"it {status}"}
        tracker.log(status, TrialResult.model_validate(ended), repeated=False)
    tracker.finish(tmp_path / "report")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("qatflow").experiment_id])
    return client, {run.info.run_name: run for run in found}


def test_each_trial_is_a_child_with_its_parameters_figures_and_outcome(
    runs: tuple[MlflowClient, dict[str, Any]],
) -> None:
    client, found = runs
    parent, good = found["sweep"], found["good"]
    children = [run for run in found.values() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]

    assert len(children) == 4
    assert good.data.params == {name: str(value) for name, value in TRIAL.items()}
    assert (good.data.metrics["test_score"], good.data.metrics["size_bytes"]) == (0.7, 123)
    steps = client.get_metric_history(good.info.run_id, "val_accuracy")
    assert [(metric.step, metric.value) for metric in steps] == [(1, 0.5), (2, 0.75)]
    assert (good.data.tags["repeated"], good.data.tags["sha256"]) == ("true", "a" * 64)
    outcomes = {name: run.info.status for name, run in found.items()}
    assert outcomes == {
        "sweep": "FINISHED",
        "good": "FINISHED",
        "failed": "FAILED",
        "pruned": "KILLED",
        "lost": "FAILED",
    }
    assert found["failed"].data.tags["reason"] == "it failed"


def test_the_parent_holds_parameters_reason_data_and_report(runs: tuple[MlflowClient, dict[str, Any]]) -> None:
    client, found = runs
    parent = found["sweep"]

    assert parent.data.params["sweep.search"] == "grid"
    assert parent.data.tags["reason"] == "why not"
    assert parent.inputs.dataset_inputs[0].dataset.name == "digits"
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "sweep")] == ["sweep/index.html"]
