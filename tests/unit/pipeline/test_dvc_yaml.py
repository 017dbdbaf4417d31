"""dvc.yaml and code.json follow from the declared stages; what somebody wrote by hand stays."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qatflow.errors import ParamsError, StageError
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.inputs import CODE, GRAPH, keys_of, recorded_code

ROOT = Path(__file__).parents[3]
OWN = """# my graph
stages:
  plot:  # mine
    cmd: ./plot.sh
    deps: [artifacts/report]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_the_graph_of_this_repository_is_what_its_stages_declare(project: Path) -> None:
    bring_up_to_date(project)

    assert (project / GRAPH).read_text() == (ROOT / GRAPH).read_text(), "run `qatflow graph`"


def test_a_second_time_there_is_nothing_to_do(project: Path) -> None:
    assert len(bring_up_to_date(project)) == 11
    assert set(recorded_code(project)) == set(YAML(typ="safe").load((project / GRAPH).read_text())["stages"])
    assert bring_up_to_date(project) == []


def test_stages_and_comments_of_the_owner_stay(project: Path) -> None:
    (project / GRAPH).write_text(OWN)

    bring_up_to_date(project)

    text = (project / GRAPH).read_text()
    assert text.startswith("# my graph\n")
    assert "plot:  # mine\n    cmd: ./plot.sh\n    deps: [artifacts/report]" in text
    assert "python3 -m tasks.prepare" in text


def test_a_declared_stage_that_is_gone_or_edited_is_written_anew(project: Path) -> None:
    bring_up_to_date(project)
    whole = (project / GRAPH).read_text()
    gone = "  old:\n    cmd: python3 -m tasks.old\n    outs: [artifacts/old]\n"
    (project / GRAPH).write_text(whole.replace("params: [evaluate,", "params: [seed,") + gone)

    assert bring_up_to_date(project) == ["dvc.yaml: evaluate written", "dvc.yaml: old removed"]
    assert (project / GRAPH).read_text() == whole


def test_code_is_no_parameter_of_params_yaml(project: Path) -> None:
    bring_up_to_date(project)

    assert keys_of(project, "quantize@ptq_w8a8")[:2] == ["seed", "training"]
    assert CODE not in str(keys_of(project, "quantize"))


def test_prose_changes_no_code_and_arithmetic_that_of_its_stage_alone(project: Path) -> None:
    bring_up_to_date(project)
    before, path = recorded_code(project), project / "tasks" / "evaluate.py"
    path.write_text(path.read_text().replace('"""Write', '"""Really write') + "\n# a remark\n")
    assert bring_up_to_date(project) == []
    path.write_text(path.read_text().replace("variant=True", "variant=not False"))

    assert bring_up_to_date(project) == ["code of evaluate changed"]
    assert {name for name, code in recorded_code(project).items() if before[name] != code} == {"evaluate"}


@pytest.mark.parametrize("text", ["stages: [", "stages: [a]", "- a"])
def test_a_graph_that_is_none_is_told_and_stays(project: Path, text: str) -> None:
    (project / GRAPH).write_text(text)

    with pytest.raises(ParamsError, match=r"dvc\.yaml"):
        bring_up_to_date(project)
    assert (project / GRAPH).read_text() == text


def test_a_list_of_stages_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").touch()
    (tmp_path / "tasks" / "stages.py").write_text("STAGE = ()\n")

    with pytest.raises(StageError, match=r"tasks/stages\.py must list the project's stages in STAGES"):
        bring_up_to_date(tmp_path)
    assert json.dumps([path.name for path in tmp_path.iterdir()]) == '["tasks"]'
