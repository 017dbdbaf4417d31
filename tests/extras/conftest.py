"""A bundle, and environments with one extra each."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.extras.alone import settle
from tests.unit.release.fabricate import bundle

Run = Callable[..., str]


@pytest.fixture(scope="package", name="bundle")
def _bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="package")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return cache(lambda extra: settle(tmp_path_factory.mktemp(f"alone-{extra}"), extra))


@pytest.fixture
def only(alone: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """Return what leaves one extra installed for the children of this test; its result runs Python as one of them."""
    place = tmp_path / "here"
    place.mkdir()

    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)], cwd=place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def leave(extra: str) -> Run:
        monkeypatch.setenv("PYTHONPATH", str(alone(extra)))
        return run

    return leave
