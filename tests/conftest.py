"""Settings every test shares, and which tests share a process."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

# Shells ignore it for what runs in the background, and servers under test are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


@pytest.fixture(autouse=True)
def own_project() -> Iterator[None]:
    """Leave `flows` and `tasks` of this repository the ones that are imported, whatever projects a test opened."""
    path, own = list(sys.path), _projects()
    yield
    sys.path[:] = path
    for name in _projects().keys() - own.keys():
        del sys.modules[name]
    sys.modules.update(own)


def _projects() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in {"flows", "tasks"}}


FIRST = ("flows", "faults", "contracts", "fuzz", "online", "serving", "browser", "tasks")
"""Folders of tests/ whose tests take long, in the order in which they begin: what begins last is to be short."""
FLOWS = {"test_sweep": "flows-b", "test_stopping": "flows-b", "test_wheel": "wheel"}
"""Tests of flows that need no trained project; all others share one, and a Prefect server."""
ALONE = {"test_strangers", "test_pages"}
"""Files whose cases share nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones."""
    items.sort(key=lambda item: _rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `--dist loadscope`, let tests share a process, and so its fixtures, as `_group` says.

    The marks of `--dist loadgroup` would do, but pytest-xdist 3.8 does not see them with pytest 9.2.
    """
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Shared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return Shared(config, log)


def _group(nodeid: str) -> str:
    """Return what tests have in common that share a process: a file, but for flows and where cases share nothing."""
    path, _, rest = nodeid.partition("::")
    file = Path(path).stem
    if path.startswith("tests/flows/"):
        return FLOWS.get(file, "flows-a")
    if file == "test_strategies":  # a strategy is made once, for all that is asked of it
        return f"strategy {rest.partition('[')[2].partition('-')[0].rstrip(']')}"
    return nodeid if file in ALONE else path


def _rank(nodeid: str) -> int:
    folder = nodeid.split("/")[1] if nodeid.count("/") > 1 else ""
    return FIRST.index(folder) if folder in FIRST else len(FIRST)
