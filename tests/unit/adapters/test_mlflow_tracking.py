"""Runs, metrics and lineage as they arrive in a real MLflow database."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import TrackingError
from tests.unit.release.fabricate import digits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> MlflowTracker:
    return MlflowTracker("sqlite:///mlflow.db", "qatflow", tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def parent(tracker: MlflowTracker) -> str:
    params = {f"section.key{number}": number for number in range(150)} | {"long": "x" * 10_000}
    return tracker.start_parent("retrain", params, {"reason": "nightly"})


def test_the_parent_has_name_tags_and_all_parameters(tracker: MlflowTracker, parent: str):
    run = tracker.client.get_run(parent)

    assert (run.info.run_name, run.info.status, run.data.tags["reason"]) == ("retrain", "RUNNING", "nightly")
    assert len(run.data.params) == 151
    assert run.data.params["section.key149"] == "149"
    assert run.data.params["long"] == "x" * 6000


def test_a_child_belongs_to_its_parent_and_ends_with_its_block(tracker: MlflowTracker, parent: str):
    with tracker.child_run(parent, "pretrain", {"stage": "pretrain"}) as run_id:
        assert tracker.client.get_run(run_id).info.status == "RUNNING"

    run = tracker.client.get_run(run_id)
    assert (run.info.run_name, run.info.status) == ("pretrain", "FINISHED")
    assert (run.data.tags["mlflow.parentRunId"], run.data.tags["stage"]) == (parent, "pretrain")


@pytest.mark.parametrize(("error", "status"), [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_child_whose_block_fails_says_so(tracker: MlflowTracker, parent: str, error: BaseException, status: str):
    def fail(ids: list[str]) -> None:
        with tracker.child_run(parent, "pretrain", {}) as run_id:
            ids.append(run_id)
            raise error

    ids: list[str] = []
    with pytest.raises(type(error)):
        fail(ids)

    assert tracker.client.get_run(ids[0]).info.status == status


def test_the_machine_is_sampled_each_second(tracker: MlflowTracker, parent: str):
    with tracker.child_run(parent, "pretrain", {}) as run_id:
        time.sleep(1.5)

    metrics = tracker.client.get_run(run_id).data.metrics
    assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100
    assert metrics["system/system_memory_usage_megabytes"] > 0


def test_a_history_of_thousands_of_figures_arrives_with_its_steps(tracker: MlflowTracker, parent: str):
    history = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch} for epoch in range(1, 1301)]

    tracker.log_history(parent, history)

    for key, factor in (("loss", 1), ("val_loss", 2)):
        found = tracker.client.get_metric_history(parent, key)
        assert [(metric.step, metric.value) for metric in found] == [(e, factor / e) for e in range(1, 1301)]
    assert "epoch" not in tracker.client.get_run(parent).data.metrics


def test_metrics_and_files_arrive(tracker: MlflowTracker, parent: str, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.json").write_text("{}")

    tracker.log_metrics(parent, {"score": 0.5})
    tracker.log_artifact(parent, tmp_path / "folder" / "a.json")
    tracker.log_artifact(parent, tmp_path / "folder", "reports")

    assert tracker.client.get_run(parent).data.metrics["score"] == 0.5
    assert [file.path for file in tracker.client.list_artifacts(parent)] == ["a.json", "reports"]
    assert [file.path for file in tracker.client.list_artifacts(parent, "reports")] == ["reports/a.json"]


def test_the_data_set_is_recorded_with_dvcs_digest_and_a_source_that_mlflow_can_read(tracker: MlflowTracker):
    card = digits().card
    with tracker.child_run(None, "prepare", {}) as run_id:
        tracker.log_dataset(run_id, card, "0123abcd.dir")

    from mlflow.data import get_source

    (recorded,) = tracker.client.get_run(run_id).inputs.dataset_inputs
    assert (recorded.dataset.name, recorded.dataset.digest) == ("digits", card.sha256[:36])
    assert {tag.key: tag.value for tag in recorded.tags}["dvc.md5"] == "0123abcd.dir"
    assert get_source(recorded.dataset).uri == card.files[0].path


def test_a_data_set_that_dvc_does_not_track_has_no_such_tag(tracker: MlflowTracker):
    with tracker.child_run(None, "prepare", {}) as run_id:
        tracker.log_dataset(run_id, digits().card.model_copy(update={"files": ()}), None)

    (recorded,) = tracker.client.get_run(run_id).inputs.dataset_inputs
    assert [tag.key for tag in recorded.tags] == ["mlflow.data.context"]


def test_nothing_depends_on_mlflows_active_run(tracker: MlflowTracker, parent: str):
    import mlflow

    with tracker.child_run(parent, "pretrain", {}):
        assert mlflow.active_run() is None


def test_an_experiment_is_made_once_and_one_that_was_deleted_is_named(tmp_path: Path):
    first = MlflowTracker("sqlite:///mlflow.db", "mine", tmp_path)
    assert MlflowTracker("sqlite:///mlflow.db", "mine", tmp_path).experiment_id == first.experiment_id
    first.client.delete_experiment(first.experiment_id)

    with pytest.raises(TrackingError, match=r"experiment 'mine' was deleted; restore it, or set tracking\.experiment"):
        MlflowTracker("sqlite:///mlflow.db", "mine", tmp_path)


def test_an_unknown_run_is_a_plain_error(tracker: MlflowTracker):
    with pytest.raises(TrackingError, match="failed: Run with id=0000 not found"):
        tracker.log_metrics("0000", {"score": 1.0})


BEGINS_AND_WAITS = """
import sys
from pathlib import Path
from qatflow.adapters.mlflow_tracking import MlflowTracker
tracker = MlflowTracker("sqlite:///mlflow.db", "x", Path(sys.argv[1]))
parent = tracker.start_parent("retrain", {}, {})
done = tracker.start_parent("done", {}, {})
tracker.finish(done, "FINISHED")
with tracker.child_run(parent, "pretrain", {}):
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_runs_of_a_killed_process_are_ended_by_the_next_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    words = [sys.executable, "-c", BEGINS_AND_WAITS, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"

        own = MlflowTracker("sqlite:///mlflow.db", "x", tmp_path)
        mine = own.start_parent("mine", {}, {})
        assert _statuses(own) == {"retrain": "RUNNING", "done": "FINISHED", "pretrain": "RUNNING", "mine": "RUNNING"}
        process.kill()
        process.wait()
        again = MlflowTracker("sqlite:///mlflow.db", "x", tmp_path)

    assert _statuses(again) == {"retrain": "KILLED", "done": "FINISHED", "pretrain": "KILLED", "mine": "RUNNING"}
    own.finish(mine, "FINISHED")
    assert len(list((tmp_path / ".qatflow" / "mlflow").iterdir())) == 1


def _statuses(tracker: MlflowTracker) -> dict[str, str]:
    found = tracker.client.search_runs([tracker.experiment_id])
    return {run.info.run_name: run.info.status for run in found}
