"""Promotion and rollback on the real registry and the deployed pointer: one command each, byte for byte."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qatflow import artifacts
from tests.flows.project import NO_GATES, Project

pytestmark = [pytest.mark.slow, pytest.mark.flow]


@pytest.fixture(scope="module")
def copied(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the trained project, moved as a whole, in which any new model is promoted."""
    root = tmp_path_factory.mktemp("copied") / "project"
    shutil.copytree(trained.root, root, symlinks=True)
    project = replace(trained, root=root)
    project.set({"release.gates": NO_GATES})
    return project


def _deployed(project: Project) -> dict[str, bytes]:
    current = project.root / "deployed/current"
    return {path.name: path.read_bytes() for path in sorted(current.iterdir())}


def _champion(project: Project) -> str:
    return project.command("qatflow", "history").stdout.splitlines()[0]


def test_failed_deployment_takes_its_promotion_back(copied: Project) -> None:
    before = _deployed(copied)
    copied.set({"pretrain.epochs": 4, "deploy.path": "blocked"})
    (copied.root / "blocked").write_text("a file where a folder should be")

    done = copied.flow()

    assert done.returncode == 1
    assert "Error: deploy: Cannot deploy to" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "rollback 2 → 1" in _champion(copied)
    assert _deployed(copied) == before
    (copied.root / "blocked").unlink()


def test_next_run_promotes_it_and_rollback_restores_the_former_bundle(copied: Project) -> None:
    before = _deployed(copied)
    copied.set({"deploy.path": "deployed"})

    done = copied.flow()

    assert done.returncode == 0, done.stdout
    assert "promote  1 → 2" in _champion(copied)
    assert _deployed(copied)["model.tflite"] != before["model.tflite"]

    back = copied.command("qatflow", "rollback", "--why", "a test")

    assert back.returncode == 0, back.stderr
    assert "back to version 1 from 2" in back.stdout
    assert _deployed(copied) == before
    assert "a test" in _champion(copied)


def test_rollback_without_a_former_champion_says_so(copied: Project) -> None:
    done = copied.command("qatflow", "rollback")

    assert done.returncode == 1
    assert "Nothing to roll back" in done.stderr
    assert "Traceback" not in done.stderr


def test_promotion_that_expects_another_champion_is_refused(copied: Project) -> None:
    done = copied.command("qatflow", "promote", "2", "--replaces", "7")

    assert done.returncode == 1
    assert "is version 1, not version 7" in done.stderr


def test_promotion_by_hand_deploys(copied: Project) -> None:
    done = copied.command("qatflow", "promote", "2", "--why", "it was fine")

    assert done.returncode == 0, done.stderr
    receipt = artifacts.read_json(copied.root / "artifacts/release/receipt.json")
    model = Path(copied.root / "deployed/current/model.tflite")
    assert artifacts.sha256_file(model) == receipt["model_sha256"]


def test_a_winner_that_needs_approval_leaves_what_is_deployed_until_somebody_signs(copied: Project) -> None:
    copied.command("qatflow", "rollback")  # version 2 is withdrawn by that: the other candidate is the winner
    before = _deployed(copied)
    copied.set({"release.require_approval": True, "release.gates": NO_GATES | {"size": {"max_ratio": 9.0}}})

    done = copied.flow()

    assert done.returncode == 0, done.stdout
    assert "Waiting for approval: " in done.stdout
    screen = " ".join(done.stdout.split())
    assert "waits for approval as version 3: `qatflow promote --approve 3" in screen
    assert "refused by withdrawn: " in screen
    assert _deployed(copied) == before
    assert "hold     3" in _champion(copied)

    signed = copied.command("qatflow", "promote", "--approve", "--why", "checked on the rig")

    assert signed.returncode == 0, signed.stderr
    assert "version 3 is champion and deployed" in signed.stdout
    assert _deployed(copied)["model.tflite"] != before["model.tflite"]
    assert "checked on the rig" in _champion(copied)
