"""What a stage read is what DVC records: edited meanwhile, the stage begins again."""

import subprocess
import sys
from pathlib import Path

import pytest

from qatflow import params_file
from qatflow.errors import ChangedError
from qatflow.params.root import Params
from qatflow.pipeline.inputs import Inputs, check_same, keys_of

ROOT = Path(__file__).parents[2]
GRAPH = """
stages:
  train:
    cmd: python3 -m tasks.train
    deps: ["${data.path}", src, "made/${item.variant}"]
    params: [seed, pretrain, data.label]
"""
STAGE = """
from pathlib import Path
from qatflow import params_file
from qatflow.pipeline.stage import stage

@stage()
def train(stage):
    with Path("made.txt").open("a") as made:
        made.write(f"{stage.params.pretrain.epochs}\\n")
    todo = Path("todo.txt").read_text().splitlines()
    if todo:
        Path("todo.txt").write_text("\\n".join(todo[1:]))
        exec(todo[0])
    stage.progress("training", 1, 1)
"""
BEGIN = "import train; from qatflow.pipeline.stage import main; main(train.train)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("pretrain: {epochs: 150}\n")
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    for folder in ("data", "src", "made/v1"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_text("1")
    (tmp_path / "train.py").write_text(STAGE)
    return tmp_path


def _inputs(project: Path) -> Inputs:
    return Inputs(project, "train", "v1", params_file.load(project / "params.yaml"))


@pytest.mark.parametrize("path", ["data/file", "data/new", "src/file", "made/v1/file"])
def test_a_file_that_was_changed_meanwhile_is_named(project: Path, path: str) -> None:
    inputs = _inputs(project)
    inputs.check()
    (project / path).write_text("another")

    with pytest.raises(ChangedError, match=f"^{Path(path).parent} changed while this stage ran"):
        inputs.check()


def test_a_deleted_file_is_a_change_too(project: Path) -> None:
    inputs = _inputs(project)
    (project / "data" / "file").unlink()

    with pytest.raises(ChangedError, match="data changed"):
        inputs.check()


@pytest.mark.parametrize("path", ["data/.hidden", "src/__pycache__/a.pyc", "elsewhere"])
def test_what_python_and_editors_put_beside_them_is_none(project: Path, path: str) -> None:
    inputs = _inputs(project)
    (project / path).parent.mkdir(exist_ok=True)
    (project / path).write_text("another")

    inputs.check()


def test_a_parameter_of_the_stage_is_noticed_at_the_next_progress(project: Path) -> None:
    inputs = _inputs(project)
    inputs.check_params()
    (project / "params.yaml").write_text("pretrain: {epochs: 13}\n")

    with pytest.raises(ChangedError, match=r"pretrain.epochs was 150, is 13"):
        inputs.check_params()


def test_a_parameter_of_other_stages_may_change_and_half_an_edit_is_not_judged(project: Path) -> None:
    inputs = _inputs(project)
    (project / "params.yaml").write_text("pretrain: {epochs: 150")
    inputs.check_params()
    (project / "params.yaml").write_text("pretrain: {epochs: 150}\nserving: {port: 1}\nseed: 42\n")
    inputs.check_params()
    inputs.check()


def test_keys_are_sections_or_names_and_no_beginnings_of_names() -> None:
    before = Params()
    after = before.model_copy(update={"seed": 43})

    check_same(before, after, ["pretrain", "see", "data.source"])
    with pytest.raises(ChangedError, match="seed was 42, is 43"):
        check_same(before, after, ["seed"])
    assert keys_of(ROOT, "quantize@ptq_w8a8") == keys_of(ROOT, "quantize") != []


@pytest.mark.parametrize(
    ("edits", "made", "code"),
    [
        ([], [150], 0),
        (["Path('params.yaml').write_text('pretrain: {epochs: 13}')"], [150, 13], 0),
        (["Path('src/file').write_text('new code')"], [150, 150], 0),
        ([f"Path('data/file').write_text('{'x' * n}')" for n in range(2, 5)], [150] * 3, 1),
    ],
)
def test_as_a_program_it_begins_again_and_not_for_ever(
    project: Path, edits: list[str], made: list[int], code: int
) -> None:
    (project / "todo.txt").write_text("\n".join(edits))

    words = [sys.executable, "-c", BEGIN]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)

    assert [int(line) for line in (project / "made.txt").read_text().split()] == made, done.stderr
    assert done.returncode == code
    assert done.stdout.count("It begins again.") == len(made) - 1
    assert "Traceback" not in done.stderr
