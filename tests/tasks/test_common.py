"""A stage as a program: a user's mistake ends with a sentence and exit code 1."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def _prepare(project: Path, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": ""}
    command = [python, "-m", "tasks.prepare"]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def test_progress_is_printed_and_output_sealed(project: Path) -> None:
    done = _prepare(project)

    assert done.returncode == 0, done.stderr
    assert "1797/1797" in done.stdout
    assert (project / "artifacts/prepare/manifest.json").is_file()


def test_mistake_ends_without_traceback(project: Path) -> None:
    (project / "params.yaml").write_text("data: {source: digit}")

    done = _prepare(project)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "data.source: unknown 'digit'" in done.stderr
    assert "Did you mean 'digits'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "artifacts").exists() or list((project / "artifacts").iterdir()) == []


@pytest.mark.slow
def test_without_activated_environment_it_uses_the_projects_own(project: Path) -> None:
    bare = Path(sys.base_prefix) / "bin" / "python3"
    (project / ".venv").symlink_to(sys.prefix)

    done = _prepare(project, str(bare))

    assert done.returncode == 0, done.stderr


def test_not_installed_at_all_names_make_setup(project: Path) -> None:
    done = _prepare(project, str(Path(sys.base_prefix) / "bin" / "python3"))

    assert done.returncode == 1
    assert "run `make setup` first" in done.stderr
