"""MLflow's database: made whole, moved with its project, and errors in plain words."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_store import artifact_location, plain_path, prepare_store
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import TrackingError
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, in a folder with a blank in its name, with one registered version and one run that has a file."""
    root = tmp_path_factory.mktemp("the project")
    tracker = MlflowTracker("sqlite:///mlflow.db", "qatflow", root)
    made = bundle(root)
    facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
    registry = MlflowRegistry(tracker, "digits")
    registry.register(registry.log_model(made, facts, {}))
    with tracker.child_run(None, "stage", {}) as run_id:
        tracker.log_artifact(run_id, made / "MODEL_CARD.md")
    return root


def addresses(root: Path) -> list[str]:
    """Return every address of files that the database of a project holds."""
    query = (
        "SELECT artifact_location FROM experiments UNION ALL SELECT artifact_uri FROM runs UNION ALL "
        "SELECT artifact_location FROM logged_models UNION ALL SELECT storage_location FROM model_versions"
    )
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        return [row[0] for row in connection.execute(query)]


def read_everything(root: Path, into: Path) -> None:
    """Download the registered bundle and the run's file from the project at `root`, in a fresh process."""
    script = (
        "import sys; from pathlib import Path; import mlflow\n"
        "from qatflow.adapters.mlflow_tracking import MlflowTracker\n"
        "from qatflow.adapters.mlflow_registry import MlflowRegistry\n"
        "tracker = MlflowTracker('sqlite:///mlflow.db', 'qatflow', Path(sys.argv[1]))\n"
        "MlflowRegistry(tracker, 'digits').download(1, Path(sys.argv[2]) / 'bundle')\n"
        "run = tracker.client.search_runs([tracker.experiment_id], \"tags.mlflow.runName = 'stage'\")[0].info\n"
        "tracker.client.download_artifacts(run.run_id, 'MODEL_CARD.md', sys.argv[2])\n"
    )
    into.mkdir()
    done = subprocess.run([sys.executable, "-c", script, root, into], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (into / "MODEL_CARD.md").read_bytes() == (into / "bundle" / "MODEL_CARD.md").read_bytes()


def test_a_relative_address_starts_at_the_project_wherever_we_are(filled: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert prepare_store("sqlite:///mlflow.db", filled) == f"sqlite:///{filled}/mlflow.db"
    assert artifact_location(f"sqlite:///{filled}/mlflow.db", filled) == (filled / "mlartifacts").as_uri()
    assert list(tmp_path.iterdir()) == []


def test_all_files_lie_beside_the_database(filled: Path):
    assert len(addresses(filled)) > 5
    assert all(address.startswith((filled / "mlartifacts").as_uri()) for address in addresses(filled))


def test_what_a_killed_start_left_does_not_stand_in_the_way(tmp_path: Path):
    for name in ("mlflow.db.new", "mlflow.db.new-journal"):
        (tmp_path / name).write_bytes(b"half a database")

    prepare_store("sqlite:///mlflow.db", tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_a_copied_project_uses_its_own_files_and_the_original_keeps_its_own(filled: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(filled, copy)
    original = addresses(filled)

    read_everything(copy, tmp_path / "from copy")

    assert all(address.startswith((copy / "mlartifacts").as_uri()) for address in addresses(copy))
    assert addresses(filled) == original


def test_a_moved_project_still_finds_its_files(filled: Path, tmp_path: Path):
    shutil.copytree(filled, tmp_path / "before")
    prepare_store("sqlite:///mlflow.db", tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")

    read_everything(tmp_path / "after", tmp_path / "out")


def test_files_that_others_keep_elsewhere_are_not_touched(filled: Path, tmp_path: Path):
    shutil.copytree(filled, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = 's3://bucket/x' WHERE name = 'qatflow'")

    prepare_store("sqlite:///mlflow.db", tmp_path / "copy")

    assert "s3://bucket/x" in addresses(tmp_path / "copy")


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_database_is_a_plain_error(tmp_path: Path, content: bytes):
    (tmp_path / "mlflow.db").write_bytes(content)

    with pytest.raises(TrackingError, match=r"mlflow\.db"):
        prepare_store("sqlite:///mlflow.db", tmp_path)


def test_a_place_where_no_database_can_be_is_a_plain_error(tmp_path: Path):
    (tmp_path / "file").touch()

    with pytest.raises(TrackingError, match=r"Cannot use MLflow's database .*file/mlflow\.db"):
        prepare_store("sqlite:///file/mlflow.db", tmp_path)


def test_no_server_at_the_address_is_said_within_seconds(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        started = time.monotonic()
        with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:\d+ failed; is it running") as caught:
            MlflowTracker(f"http://127.0.0.1:{taken.getsockname()[1]}", "qatflow", tmp_path)

    assert time.monotonic() - started < 10
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_a_server_that_never_answers_is_given_up_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=silent.listen, daemon=True).start()
        started = time.monotonic()
        with pytest.raises(TrackingError, match="is it running"):
            MlflowTracker(f"http://127.0.0.1:{silent.getsockname()[1]}", "qatflow", tmp_path)

    assert time.monotonic() - started < 10


def test_mlflow_may_load_no_pickle_and_phones_nobody():
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.mark.parametrize("name", ["a?b", b"a\xffb".decode(errors="surrogateescape"), "a\nb"])
def test_a_folder_whose_name_no_address_can_hold_is_reached_by_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / name / "project"
    folder.mkdir(parents=True)

    reached = plain_path(folder / "mlflow.db")

    assert reached == plain_path(folder / "mlflow.db")
    assert reached.name == "mlflow.db"
    assert reached.parent.samefile(folder)
    assert reached.as_uri().isascii()
    assert "%" not in reached.as_uri()


def test_a_link_is_not_made_in_a_folder_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"qatflow-{os.getuid()}").mkdir(mode=0o777)
    (tmp_path / f"qatflow-{os.getuid()}").chmod(0o777)

    with pytest.raises(TrackingError, match="Cannot make a link to"):
        prepare_store("sqlite:///mlflow.db", tmp_path / "a?b")


@pytest.mark.parametrize("name", ["a b", "a'\"b", "a%41b", "a#b", "ü", "a&b;c+d@e\\f"])
def test_other_names_need_no_link(tmp_path: Path, name: str) -> None:
    assert plain_path(tmp_path / name / "mlflow.db") == tmp_path / name / "mlflow.db"


def test_runs_and_their_files_stay_in_such_a_folder(tmp_path: Path) -> None:
    name = b"a?b\n\xff".decode(errors="surrogateescape")
    folder = tmp_path / name / "project"
    folder.mkdir(parents=True)
    tracker = MlflowTracker("sqlite:///mlflow.db", "x", folder)
    with tracker.child_run(None, "r", {}) as run_id:
        (folder / "file.txt").write_text("x")
        tracker.log_artifact(run_id, folder / "file.txt")

    assert sorted(tmp_path.iterdir()) == [tmp_path / name]
    assert (folder / "mlflow.db").exists()
    assert len(list((folder / "mlartifacts").rglob("file.txt"))) == 1
