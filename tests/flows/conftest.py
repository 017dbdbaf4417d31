"""Fresh clones of the project with parameters small enough for tests."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.project import ROOT, SMALL, Project


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one Prefect home for all tests: its database is migrated only once."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory, prefect_home: Path) -> Callable[[], Project]:
    """Return a function that makes a fresh clone, as `git clone` of the working tree would, with small parameters."""

    def make() -> Project:
        root = tmp_path_factory.mktemp("clone")
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.split("\n"):
            if name and (ROOT / name).is_file() and not name.startswith(("docs/", "tests/", "dvc.lock")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        project = Project(root, prefect_home)
        project.set(SMALL)
        return project

    return make


@pytest.fixture(scope="session")
def trained(clone: Callable[[], Project]) -> Project:
    """Return a clone in which the flow has run once. Tests leave it up to date and promoted, as they found it."""
    project = clone()
    done = project.flow()
    assert done.returncode == 0, done.stdout + done.stderr
    return project
