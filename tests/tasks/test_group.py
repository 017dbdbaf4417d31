"""How a stage that trains is run: where its checkpoints lie, and who keeps what comes out."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qatflow import artifacts
from qatflow.errors import ParamsError
from qatflow.params.distribution import DistributionParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.root import Params
from qatflow.params.serving import ServingParams
from qatflow.pipeline.group import _launch, trains
from qatflow.pipeline.stage import StageRun
from qatflow.progress import silent
from qatflow.training import recovery


@pytest.fixture
def stage(tmp_path: Path) -> StageRun:
    for name in ("prepare", "pretrain", "transfer"):
        with artifacts.stage_output(tmp_path / "artifacts" / name, name) as out:
            artifacts.write_text(out / "text", name)
    return StageRun(tmp_path, Params(), "", silent)


@trains
def keep(stage: StageRun) -> None:
    """Leave a checkpoint, and fail."""
    folder = recovery._folders[-1]
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seen").open("a").write("x")
    raise ParamsError("broken off")


@trains
def finish(stage: StageRun) -> None:
    """Write what a stage writes."""
    folder = recovery._folders[-1]
    assert folder is not None
    folder.mkdir(parents=True)
    with stage.write("out", stage.read("prepare")) as out:
        artifacts.write_text(out / "text", "done")


def kept(stage: StageRun) -> list[str]:
    return [path.read_text() for path in stage.root.glob(".qatflow/checkpoints/*/seen")]


def test_checkpoints_wait_for_the_same_training_only(stage: StageRun) -> None:
    other = replace(stage, params=stage.params.model_copy(update={"seed": 1}))
    for each, expected in ((stage, ["x"]), (stage, ["xx"]), (other, ["x"]), (stage, ["x"])):
        with pytest.raises(ParamsError, match="broken off"):
            keep(each)

        assert kept(stage) == expected, "only the newest training's are kept"


DECLARED = "stages: {keep: {params: [seed, pretrain.epochs]}}"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"serving": ServingParams(port=9000)}, ["xx"]),
        ({"pretrain": PretrainParams(batch_size=7)}, ["xx"]),
        ({"pretrain": PretrainParams(epochs=7)}, ["x"]),
        ({"seed": 1}, ["x"]),
    ],
)
def test_only_parameters_that_the_stage_declares_make_another_training(
    stage: StageRun, changed: dict[str, Any], expected: list[str]
) -> None:
    (stage.root / "dvc.yaml").write_text(DECLARED)
    for each in (stage, replace(stage, params=stage.params.model_copy(update=changed))):
        with pytest.raises(ParamsError, match="broken off"):
            keep(each)

    assert kept(stage) == expected


TRAINED = """
from qatflow.errors import ParamsError
from qatflow.training import recovery
from qatflow.pipeline.group import trains
import helper

@trains
def run(stage):
    folder = recovery._folders[-1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seen").open("a").write("x")
    raise ParamsError("broken off")
"""


@pytest.mark.parametrize(
    ("helper", "expected"),
    [('"""Doc."""\nX = 1  # one', ["xx"]), ("X = 2", ["x"]), ("X: int = 1", ["x"])],
)
def test_only_code_that_does_something_else_makes_another_training(
    stage: StageRun, monkeypatch: pytest.MonkeyPatch, helper: str, expected: list[str]
) -> None:
    monkeypatch.syspath_prepend(str(stage.root))
    (stage.root / "trained.py").write_text(TRAINED)
    (stage.root / "aside.py").write_text("X = 1")
    for text in ("X = 1", helper):
        (stage.root / "helper.py").write_text(text)
        (stage.root / "aside.py").write_text(f"{text}\nimport helper")
        for name in ("trained", "helper"):
            sys.modules.pop(name, None)
        with pytest.raises(ParamsError, match="broken off"):
            importlib.import_module("trained").run(stage)

    assert kept(stage) == expected


def test_other_inputs_make_another_training(stage: StageRun) -> None:
    with pytest.raises(ParamsError):
        keep(stage)
    with artifacts.stage_output(stage.root / "artifacts" / "transfer", "transfer") as out:
        artifacts.write_text(out / "text", "another model")

    with pytest.raises(ParamsError):
        keep(stage)

    assert kept(stage) == ["x"]


def test_what_is_finished_leaves_no_checkpoint(stage: StageRun) -> None:
    finish(stage)

    assert (stage.root / "artifacts" / "out" / "text").read_text() == "done"
    assert not list(stage.root.glob(".qatflow/checkpoints/*"))


def test_a_worker_that_does_not_write_keeps_nothing(stage: StageRun) -> None:
    with replace(stage, writes=False).write("out") as out:
        artifacts.write_text(out / "text", "done")

    assert not (stage.root / "artifacts" / "out").exists()
    assert not out.exists()


def test_a_malformed_cluster_is_refused_before_anything_runs(stage: StageRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{")
    grouped = replace(
        stage, params=stage.params.model_copy(update={"training": DistributionParams(distribution="multi_worker")})
    )

    with pytest.raises(ParamsError, match="TF_CONFIG is not right"):
        keep(grouped)

    assert kept(stage) == []


BEREAVED = """
import json, os, time
from qatflow.errors import LostError
from qatflow.pipeline.stage import stage

@stage()
def bereaved(stage):
    seen = stage.root / "attempts"
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 1:
        if not seen.exists():
            time.sleep(1000)
    elif not seen.exists():
        seen.touch()
        raise LostError("another worker ended")
"""


@pytest.mark.slow
def test_all_start_again_when_the_survivor_is_the_first_to_tell(stage: StageRun) -> None:
    """The survivor's answer can come before the end of the lost one's process is seen, which then is still ended."""
    (stage.root / "tasks").mkdir()
    (stage.root / "tasks" / "__init__.py").touch()
    (stage.root / "tasks" / "bereaved.py").write_text(BEREAVED)
    (stage.root / "tasks" / "stages.py").write_text("from tasks.bereaved import bereaved\n\nSTAGES = (bereaved,)\n")
    (stage.root / "params.yaml").write_text("")
    said: list[str] = []

    _launch(replace(stage, progress=lambda label, *_: said.append(label)), "bereaved")

    assert said == ["a worker was lost (another worker ended); all start again"]
