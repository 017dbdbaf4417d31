"""A Redis server for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.online.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A real server; tests take keys of their own."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """See `make_project`."""
    from tests.online.project import make_project

    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def whole(project, tmp_path_factory):
    """An undisturbed course, and its folder."""
    from tests.online.project import filled, learn

    folder = tmp_path_factory.mktemp("whole")
    return learn(project, filled(f"spool:{folder / 's'}", project), folder / "state"), folder
