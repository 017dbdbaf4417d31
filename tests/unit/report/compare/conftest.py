"""Two real bundles of digits, and a project around them."""

import shutil
from pathlib import Path

import pytest

from qatflow.report.compare.read import read_side
from tests.unit.release.fabricate import bundle, digits, flatbuffer


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> dict[str, Path]:
    """Name -> bundle, away from any project."""
    root = tmp_path_factory.mktemp("bundles")
    made = {"ptq_w8a8": "int8", "qat_w4a8": "int4"}
    return {name: bundle(root / name, flatbuffer(model), variant=name) for name, model in made.items()}


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    """A project that holds the data that the bundles were measured on, and nothing else."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(Path(digits().test._shards._paths[0]).parents[1], root / "artifacts" / "prepare")
    return root


@pytest.fixture
def sides(bundles, tmp_path):
    """The bundles as sides, without their data."""
    return [read_side(path, tmp_path) for path in bundles.values()]


@pytest.fixture
def measured(bundles, project):
    """The bundles as sides, with answers on the test split of the project."""
    return [read_side(path, project) for path in bundles.values()]
