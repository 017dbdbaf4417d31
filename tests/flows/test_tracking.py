"""What MLflow holds after a run of the graph: one parent, a child for each stage and variant, data lineage, models."""

from typing import Any

import pytest
from mlflow import MlflowClient

from tests.flows.project import DATA, Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]


@pytest.fixture(scope="module")
def runs(trained: Project) -> dict[str, Any]:
    """Return the runs of the first flow run by name."""
    client = MlflowClient(f"sqlite:///{trained.root}/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("qatflow").experiment_id], order_by=["start_time ASC"])
    return {run.info.run_name: run for run in reversed(found)}


def _parent(runs: dict[str, Any]) -> Any:
    (found,) = (run for name, run in runs.items() if name.startswith("promoted: "))
    return found


def test_parent_has_the_figures_and_the_verdict(runs: dict[str, Any]) -> None:
    parent = _parent(runs)

    assert {"accuracy", "float_accuracy", "size_bytes", "latency_us"} <= set(parent.data.metrics)
    assert (parent.data.tags["verdict"], parent.data.tags["version"]) == ("promoted", "1")


def test_every_stage_and_variant_is_a_child_of_one_parent(runs: dict[str, Any]) -> None:
    parent = _parent(runs).info.run_id
    children = {name for name, run in runs.items() if run.data.tags.get("mlflow.parentRunId") == parent}
    variants = ("ptq_w8a8", "qat_w8a8_per_channel")
    fanned = {f"{stage}@{variant}" for stage in ("quantize", "convert", "evaluate") for variant in variants}
    models = {f"model {variant}" for variant in variants}

    assert {"prepare", "pretrain", "ensemble", "explain", "release", "deploy", "report"} | fanned | models <= children
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_parent_holds_parameters_reason_and_data(runs: dict[str, Any]) -> None:
    parent = _parent(runs)
    tags = {tag.key: tag.value for entry in parent.inputs.dataset_inputs for tag in entry.tags}

    assert parent.data.params["data.path"] == DATA
    assert parent.data.tags["reason"] == "by hand"
    assert len(tags["dvc.md5"]) == 32


def test_histories_figures_and_system_metrics_are_logged(trained: Project, runs: dict[str, Any]) -> None:
    client = MlflowClient(f"sqlite:///{trained.root}/mlflow.db")
    losses = client.get_metric_history(runs["pretrain"].info.run_id, "loss")

    assert [metric.step for metric in losses] == [1, 2, 3]
    assert {"score", "agreement_float", "latency_us.p50"} <= set(runs["evaluate@ptq_w8a8"].data.metrics)
    assert any(name.startswith("system/") for run in runs.values() for name in run.data.metrics)


def test_champion_is_a_registered_version(trained: Project) -> None:
    client = MlflowClient(f"sqlite:///{trained.root}/mlflow.db")

    assert client.get_registered_model("qatflow-digits").aliases == {"champion": 1}
