"""Fresh clones of the project with parameters small enough for tests."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from qatflow.pipeline.server import server
from tests.flows.project import DATA, ROOT, SMALL, Project, free_port


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one Prefect home for all tests: its database is migrated only once."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of one Prefect server for the flows of all tests, but for each project's first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("server")))
        with server(tmp_path_factory.mktemp("server"), free_port()) as url:
            yield url


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the working tree as `git clone` would make it, taken once: edits during the tests do no harm."""
    root = tmp_path_factory.mktemp("snapshot")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("docs/", "tests/", "dvc.lock")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    return root


@pytest.fixture(scope="session")
def clone(
    snapshot: Path, tmp_path_factory: pytest.TempPathFactory, prefect_home: Path, prefect_api: str
) -> Callable[[], Project]:
    """Return a function that makes a fresh clone with small parameters and a user's own data, versioned by DVC."""

    def make() -> Project:
        root = tmp_path_factory.mktemp("clone") / "project"
        shutil.copytree(snapshot, root)
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        project = Project(root, prefect_home, prefect_api)
        digits = load_digits(n_class=10)
        np.savez(root / DATA, x=digits.images[:450, ..., None].astype(np.float32), y=digits.target[:450])
        for words in (("qatflow", "graph"), ("dvc", "add", DATA)):  # the first is done by `make setup`
            assert project.command(*words).returncode == 0
        project.set(SMALL)
        return project

    return make


@pytest.fixture(scope="session")
def trained(clone: Callable[[], Project]) -> Project:
    """Return a clone in which the flow has run once, with the embedded Prefect.

    Tests leave it up to date and promoted, as they found it.
    """
    project = clone()
    done = project.command(sys.executable, "-m", "flows.retrain")
    assert done.returncode == 0, done.stdout + done.stderr
    return project
