"""`qatflow monitor` and `qatflow feedback` on what a server recorded."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qatflow.cli import app, monitor
from qatflow.errors import ArtifactError, MonitoringError, QATFlowError
from qatflow.monitoring.look import labelled_window
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle
from tests.unit.monitoring.served import PARAMS, served

runner = CliRunner()


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(monitor, "project", lambda: (tmp_path, Params(monitoring=PARAMS)))


def asked(folder: Path, made: Path, *options: str) -> tuple[int, str]:
    found = runner.invoke(app, ["monitor", "--path", str(folder), "--bundle", str(made), *options])
    if isinstance(found.exception, QATFlowError):
        raise found.exception
    return found.exit_code, found.output


def test_without_drift_the_exit_code_is_0_and_with_it_3(tmp_path: Path):
    for turned, code, says in ((False, 0, "no drift"), (True, 3, " drift")):
        made, folder = served(tmp_path / str(turned), turned=turned)

        exit_code, output = asked(folder, made, "--once")

        assert exit_code == code, output
        assert output.startswith(f" {says.strip()}")
        assert "no labels yet" in output


def test_json_holds_the_whole_report(tmp_path: Path):
    made, folder = served(tmp_path, turned=True, labels=True)

    code, output = asked(folder, made, "--once", "--json")
    found = json.loads(output)

    assert code == 3
    assert found["drifted"] is True
    assert found["model_sha256"] == load_bundle(made).sha256
    assert found["labelled"]["samples"] == 100
    assert found["labelled"]["accuracy"] < 0.6 < found["labelled"]["reference_accuracy"]
    assert set(found["statistics"]) == {"psi", "ks", "chi2", "mmd"}
    assert any(feature["drifted"] for feature in found["features"])


def test_looking_writes_nothing(tmp_path: Path):
    made, folder = served(tmp_path, turned=True, labels=True)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}
    asked(folder, made, "--once")
    after = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}

    assert {name: before.get(name) for name in after if after[name]} == {n: c for n, c in after.items() if c}


def test_a_page_is_written(tmp_path: Path):
    made, folder = served(tmp_path, turned=True, labels=True)

    code, output = asked(folder, made, "--once", "--html", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()

    assert code == 3
    assert output.startswith(" drift  model")
    assert " ! " in output
    assert "page.html" in output
    assert "Drift: " in page
    assert page.count("<figure>") >= 5


def test_what_cannot_be_judged_is_said(tmp_path: Path):
    made, folder = served(tmp_path / "a", turned=False)

    with pytest.raises(MonitoringError, match="does not exist: no server has recorded there"):
        asked(tmp_path / "nowhere", made, "--once")
    other = tmp_path / "other"
    other.mkdir()
    from qatflow.monitoring.schema import open_records

    open_records(other, create=True).close()
    with pytest.raises(MonitoringError, match="holds 0 records of model"):
        asked(other, made, "--once")
    with pytest.raises(QATFlowError, match="Cannot write"):
        asked(folder, made, "--html", str(tmp_path / "no" / "page.html"))


def test_a_bundle_without_a_reference_is_named(tmp_path: Path):
    made, folder = served(tmp_path, turned=False)
    manifest = json.loads((made / "manifest.json").read_text())
    del manifest["files"]["reference.npz"]
    (made / "manifest.json").write_text(json.dumps(manifest))
    (made / "reference.npz").unlink()

    with pytest.raises(ArtifactError, match="before there was monitoring"):
        asked(folder, made, "--once")


def test_feedback_counts_every_label(tmp_path: Path):
    made, folder = served(tmp_path, turned=False)
    (tmp_path / "labels.csv").write_text("id,label\nr1,3\nr1,3\nr2,eleven\nnobody,1\n")

    found = runner.invoke(app, ["feedback", str(tmp_path / "labels.csv"), "--path", str(folder)])

    lines = dict(line.rsplit(maxsplit=1) for line in found.output.splitlines()[1:])
    counts = {name.strip(): int(count) for name, count in lines.items()}
    assert counts == {
        "accepted": 1, "late": 1, "repeated": 1, "changed": 0, "unknown id": 1, "unknown label": 1
    }  # fmt: skip
    assert labelled_window(folder, load_bundle(made).sha256, 10).ids == ("r1",)


def test_live_it_shows_what_is_there_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made, folder = served(tmp_path, turned=True)
    looks = []

    def stop(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(monitor.time, "sleep", stop)
    code, output = asked(folder, made, "--every", "0.5")

    assert code == 0
    assert looks == [0.5, 0.5]
    assert "drift" in output
