"""In-process stages and `dvc repro` share lock file and run-cache, both ways round; corruption is noticed."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from qatflow.errors import DataError, StageError
from qatflow.pipeline.graph import NEVER, Graph, shadow

pytestmark = pytest.mark.slow  # starts `dvc repro` and fills caches
STAGES = ["upper", "twice"]


def _execute(stage: str) -> None:
    runpy.run_path(f"tasks/{stage}.py")["make"]()


def _flow(project: Path) -> dict[str, str]:
    graph = Graph(project)
    return {name: graph.ensure(name, _execute) for name in graph.stages()}


def _repro(project: Path) -> str:
    command = [sys.executable, "-m", "dvc", "repro"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, env={"PATH": path})
    return done.stdout


def _runs(project: Path) -> list[str]:
    return (project / "log").read_text().split()


def test_stages_come_in_order(project: Path) -> None:
    assert Graph(project).stages() == STAGES


@pytest.mark.parametrize("left", ["", '{"read": {"/a'])
def test_half_a_list_of_locks_that_a_killed_process_left_is_no_hindrance(project: Path, left: str) -> None:
    (project / ".dvc" / "tmp").mkdir(exist_ok=True)
    (project / ".dvc" / "tmp" / "rwlock").write_text(left)

    assert _flow(project) == dict.fromkeys(STAGES, "ran")


def test_stale_says_why(project: Path) -> None:
    assert Graph(project).stale() == dict.fromkeys(STAGES, NEVER)
    _flow(project)
    assert Graph(project).stale() == {}
    (project / "text.txt").write_text("new")

    assert Graph(project).stale() == {"upper": "changed deps: text.txt", "twice": "follows upper"}


def test_new_data_are_tracked_not_restored_and_other_folders_stages_are_left_alone(project: Path) -> None:
    command = [sys.executable, "-m", "dvc", "add", "-q", "text.txt"]
    subprocess.run(command, cwd=project, check=True)
    (project / "snapshot").mkdir()
    (project / "snapshot/dvc.yaml").write_text("stages: {again: {cmd: 'false', deps: [gone], outs: [out]}}")
    _flow(project)
    (project / "text.txt").write_text("new")

    assert Graph(project).stages() == ["text.txt.dvc", *STAGES]
    assert _flow(project) == {"text.txt.dvc": "tracked", "upper": "ran", "twice": "ran"}
    assert Graph(project).stale() == {}


def test_flow_then_repro_has_nothing_to_do(project: Path) -> None:
    assert _flow(project) == {"upper": "ran", "twice": "ran"}

    assert _repro(project).count("didn't change, skipping") == 2
    assert _runs(project) == STAGES


def test_repro_then_flow_has_nothing_to_do(project: Path) -> None:
    _repro(project)

    assert _flow(project) == {"upper": "fresh", "twice": "fresh"}
    assert _runs(project) == STAGES


def test_former_parameters_are_restored_by_either(project: Path) -> None:
    _flow(project)
    (project / "params.yaml").write_text("suffix: y\n")
    _repro(project)
    (project / "params.yaml").write_text("suffix: x\n")
    assert _flow(project) == {"upper": "restored", "twice": "restored"}
    assert (project / "out/twice/text").read_text() == "ABCxABCx"
    (project / "params.yaml").write_text("suffix: y\n")

    assert _repro(project).count("is cached - skipping run") == 2
    assert (project / "out/twice/text").read_text() == "ABCyABCy"
    assert _runs(project) == STAGES * 2


@pytest.mark.parametrize("way", [_flow, _repro])
def test_deleted_outputs_come_back_without_running(project: Path, way: object) -> None:
    _flow(project)
    for name in ("upper", "twice"):
        for path in (project / "out" / name).iterdir():
            path.unlink()
        (project / "out" / name).rmdir()

    way(project)  # type: ignore[operator]

    assert (project / "out/twice/text").read_text() == "ABCxABCx"
    assert _runs(project) == STAGES


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_corrupted_cache_file_is_made_again(project: Path, mode: int) -> None:
    _flow(project)
    cached = next(p for p in (project / ".dvc/cache/files").rglob("*") if p.is_file() and p.read_bytes() == b"ABCx")
    cached.chmod(0o644)
    cached.write_bytes(b"EVIL")
    cached.chmod(mode)
    for path in (project / "out/upper").iterdir():
        path.unlink()
    (project / "out/upper").rmdir()

    _flow(project)

    assert (project / "out/upper/text").read_bytes() == b"ABCx"
    assert cached.read_bytes() == b"ABCx"


def test_error_of_a_stage_passes_through_and_keeps_finished_ones(project: Path) -> None:
    graph = Graph(project)
    graph.ensure("upper", _execute)

    def fail(stage: str) -> None:
        raise DataError("seven rows are empty")

    with pytest.raises(DataError, match=r"^seven rows are empty$"):
        graph.ensure("twice", fail)
    assert list(Graph(project).stale()) == ["twice"]


def test_inside_a_stage_it_refuses(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "upper")

    with pytest.raises(StageError, match="inside a stage"):
        Graph(project)


def test_broken_graph_is_a_plain_error(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: {upper: {cmd: x, dep: [y]}}")

    with pytest.raises(StageError, match=r"dvc\.yaml"):
        Graph(project).stages()


def test_names_do_not_depend_on_the_current_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")

    assert Graph(project).stages() == STAGES
    assert list(Graph(project).stale()) == STAGES


def test_shadow_plans_other_parameters_and_touches_nothing(project: Path) -> None:
    _flow(project)
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and "tmp" not in path.parts}

    with shadow(project) as copy:
        assert Graph(copy).stale() == {}
        (copy / "params.yaml").write_text("suffix: y\n")
        planned = Graph(copy).stale()

    assert planned == {"upper": "changed deps: suffix", "twice": "follows upper"}
    assert {path: path.read_bytes() for path in before} == before
    assert Graph(project).stale() == {}


def test_a_path_that_dvc_cannot_keep_is_refused_at_once(tmp_path: Path) -> None:
    folder = tmp_path / b"a\xffb".decode(errors="surrogateescape")

    with pytest.raises(StageError, match="a name in this path is no UTF-8; rename that folder"):
        Graph(folder)
    assert list(tmp_path.iterdir()) == []
