"""The project itself: parameters are right, the graph is what the stages declare, and the first stage runs."""

import shutil
from pathlib import Path

import pytest

from qatflow import params_file
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.project import declared_stages
from qatflow.pipeline.stage import execute

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the project, so that nothing here is touched."""
    for name in ("tasks", "flows"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_parameters_are_right() -> None:
    params_file.load(ROOT / "params.yaml")


def test_the_graph_is_what_the_stages_declare(copy: Path) -> None:
    bring_up_to_date(copy)

    assert (copy / "dvc.yaml").read_text() == (ROOT / "dvc.yaml").read_text(), "run `qatflow graph`"


def test_the_first_stage_runs_on_the_embedded_digits(copy: Path) -> None:
    params_file.edit(copy / "params.yaml", {"data.source": "digits", "data.max_samples": 200})
    bring_up_to_date(copy)

    execute(declared_stages(copy)["prepare"], copy, "", lambda *_: None)

    assert (copy / "artifacts" / "prepare" / "manifest.json").is_file()
