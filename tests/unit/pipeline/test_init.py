"""A project from the template, and upgrades: what its owner edited is never lost."""

from pathlib import Path

import pytest

from qatflow import artifacts, params_file
from qatflow.errors import QATFlowError
from qatflow.pipeline import init
from qatflow.pipeline.graph import Graph
from qatflow.pipeline.init import NEWER, RECORD, make_project, upgrade_project
from qatflow.pipeline.template import former, template

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path / "my project")
    return tmp_path / "my project"


def test_the_template_is_this_repositorys_own_files() -> None:
    own = {path.relative_to(ROOT).as_posix() for name in ("flows", "tasks") for path in (ROOT / name).glob("*.py")}
    own |= {"params.yaml", "dvc.yaml"}

    assert own <= template().keys()
    assert {name: template()[name] for name in own} == {name: (ROOT / name).read_bytes() for name in own}


def test_a_project_has_all_that_a_run_needs_and_a_name_of_its_own(project: Path) -> None:
    assert params_file.load(project / "params.yaml").release.name == "my-project"
    assert (project / ".gitignore").is_file()
    assert (project / ".github/workflows/ci.yml").is_file()
    assert len(Graph(project).stages()) == 26
    assert (project / "code.json").is_file()


def test_a_folder_with_such_files_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "retrain.py").write_text("mine")

    with pytest.raises(QATFlowError, match=r"it has flows/retrain\.py, and nothing is overwritten"):
        make_project(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "flows" / "retrain.py"]


def test_other_files_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    make_project(tmp_path)

    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_upgrade_without_news_changes_nothing(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts}

    done = upgrade_project(project)

    assert (done.written, done.removed, done.kept, done.notes) == ((), (), (), ())
    assert {path: path.read_bytes() for path in before} == before


def test_unedited_files_are_replaced_edited_ones_kept_and_deleted_ones_stay_deleted(project: Path) -> None:
    record = artifacts.read_json(project / RECORD)
    for name in ("flows/monitor.py", "flows/renew.py"):  # as an older release wrote them
        (project / name).write_text("# old\n")
        record["files"][name] = artifacts.sha256_file(project / name)
    artifacts.write_json(project / RECORD, record | {"qatflow": "0.1.0"})
    (project / "flows/renew.py").write_text("# mine\n")
    (project / "README.md").unlink()
    (project / "flows/canary.py").unlink()

    done = upgrade_project(project)

    assert done.before == "0.1.0"
    assert done.written == ("flows/canary.py", "flows/monitor.py")
    assert done.kept == ("flows/renew.py",)
    assert (project / "flows/renew.py").read_text() == "# mine\n"
    assert (project / NEWER / "flows/renew.py").read_bytes() == template()["flows/renew.py"]
    assert not (project / "README.md").exists()
    assert upgrade_project(project).kept == (), "it is told once"


OLD_GRAPH = "stages:\n  prepare: {cmd: python3 -m tasks.prepare, deps: [src], outs: [artifacts/prepare]}\n"


def test_the_layout_of_before_is_brought_up_to_date(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone of 0.1.0: stages with machinery of their own, parameters that somebody edited, no record."""
    (project / RECORD).unlink()
    params_file.edit(project / "params.yaml", {"pretrain.epochs": 7})
    before = (project / "params.yaml").read_bytes()
    (project / "tasks/common.py").write_text("# as it was released\n")
    digest = artifacts.sha256_file(project / "tasks/common.py")
    assert {"tasks/common.py", "tasks/worker.py", "flows/session.py"} <= former().keys()
    monkeypatch.setattr(init, "former", lambda: {**former(), "tasks/common.py": [digest]})
    (project / "tasks/worker.py").write_text("# edited by me\n")
    (project / "dvc.yaml").write_text(OLD_GRAPH)

    done = upgrade_project(project)

    assert (done.before, done.removed) == (None, ("tasks/common.py",))
    assert not (project / "tasks/common.py").exists()
    assert (project / "tasks/worker.py").read_text() == "# edited by me\n"
    assert (project / "params.yaml").read_bytes() == before
    assert "dvc.yaml: prepare written" in done.notes
    assert "code.json" in (project / "dvc.yaml").read_text()
