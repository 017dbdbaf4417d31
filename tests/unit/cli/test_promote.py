"""`qatflow promote`, `--approve` and `--reject` in a project with a real MLflow registry."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.deploy.local import current
from qatflow.errors import DeployError
from qatflow.release.bundle import load_bundle
from tests.unit.cli.commands import fail, run
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project, also the current folder, with two registered versions and every promotion held."""
    params = {"release": {"name": "digits", "require_approval": True}}
    with (tmp_path / "params.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(params, file)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    registry = open_registry(tmp_path)
    for number in (1, 2):
        made = bundle(tmp_path / f"model{number}", flatbuffer("int8", padding=4 * number))
        facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
        assert registry.register(registry.log_model(made, facts, {"score": 0.9})) == number
    monkeypatch.chdir(tmp_path)
    return tmp_path


def open_registry(root: Path) -> MlflowRegistry:
    return MlflowRegistry(MlflowTracker("sqlite:///mlflow.db", "qatflow", root), "digits")


def deployed(project: Path) -> bytes | None:
    try:
        return load_bundle(current(project / "deployed")).model
    except DeployError:
        return None


def test_a_promotion_waits_is_approved_and_deployed_or_rejected(project: Path, monkeypatch: pytest.MonkeyPatch):
    assert "version 1 waits for `qatflow promote --approve`" in run("promote", "1", "--why", "first")
    assert (open_registry(project).aliases(), deployed(project)) == ({"pending": 1}, None)
    assert "add --why" in fail(monkeypatch, "promote", "--approve")
    assert "add --why" in fail(monkeypatch, "promote", "--approve", "--why", " ")

    assert "version 1 is champion and deployed" in run("promote", "--approve", "1", "--why", "seen and fine")
    assert open_registry(project).aliases() == {"champion": 1}
    assert deployed(project) == flatbuffer("int8", padding=4)

    run("promote", "2", "--why", "smaller")
    assert open_registry(project).aliases() == {"champion": 1, "pending": 2}
    assert "version 1 of digits does not wait" in fail(monkeypatch, "promote", "--reject", "1", "--why", "x").lower()
    assert "choose one" in fail(monkeypatch, "promote", "--approve", "--reject", "--why", "x")
    assert "version 2 is rejected" in run("promote", "--reject", "--why", "too slow")
    assert open_registry(project).aliases() == {"champion": 1}
    assert deployed(project) == flatbuffer("int8", padding=4)

    said = run("history").splitlines()
    assert [line.split()[2] for line in said] == ["reject", "hold", "promote", "hold"]
    assert said[0].endswith("too slow")
    assert said[2].endswith("seen and fine")
    assert "Nothing of digits waits" in fail(monkeypatch, "promote", "--approve", "--why", "x")
    assert "Name a version" in fail(monkeypatch, "promote")
