"""One lock for as long as something is going on, which says who holds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from qatflow.errors import StageError
from qatflow.holding import held, project_lock
from qatflow.home import settle_home

HOLDS = """
import sys
from pathlib import Path
from qatflow.holding import held
with held(Path(sys.argv[1]), "`qatflow run`, nightly"):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_another_is_told_who_holds_it_and_the_dead_let_go(tmp_path: Path) -> None:
    lock = project_lock(tmp_path)
    words = [sys.executable, "-c", HOLDS, str(lock)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"holds\n"
        with (
            pytest.raises(StageError, match=rf"held by `qatflow run`, nightly \(process {process.pid} of .* since 20"),
            held(lock, "another"),
        ):
            pass
        process.kill()
        process.wait()

    with held(lock, "the next"):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / ".qatflow").write_text("a file where a folder should be")

    with pytest.raises(StageError, match=r"Cannot write .*run.lock"), held(project_lock(tmp_path), "a run"):
        pass


@pytest.mark.parametrize("home", ["missing", "a file"])
def test_without_a_home_there_is_one_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / home))

    settle_home(tmp_path)

    assert Path.home() == tmp_path / ".qatflow" / "home"
    assert Path.home().is_dir()


def test_a_home_that_can_be_used_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    settle_home(tmp_path / "project")

    assert Path.home() == tmp_path


def test_without_a_home_and_with_a_project_that_cannot_be_written_a_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    (tmp_path / ".qatflow").touch()

    with pytest.raises(
        StageError, match=r"HOME cannot be written, and neither can .*; whoever works in a project must"
    ):
        settle_home(tmp_path)
