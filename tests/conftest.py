"""Settings every test shares, and which tests share a process."""

import os
import signal
from pathlib import Path

import pytest

# Shells ignore it for what runs in the background, and servers under test are to hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

FIRST = ("flows", "faults", "contracts", "fuzz", "online", "serving", "browser", "tasks")
"""Folders of tests/ whose tests take long, in the order in which they begin: what begins last is to be short."""
FLOWS = {"test_sweep": "flows-b", "test_stopping": "flows-b", "test_retries": "flows-b", "test_wheel": "wheel"}
"""Tests of flows that need no trained project; all others share one, and a Prefect server."""
ALONE = {"test_strangers", "test_pages"}
"""Files whose cases share nothing."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests of a file share a process, and so its fixtures, with `--dist loadgroup`; the long ones begin first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    folder, file = item.path.parent.name, item.path.stem
    if folder == "flows":
        return FLOWS.get(file, "flows-a")
    if file == "test_strategies":  # a strategy is made once, for all that is asked of it
        return f"strategy-{getattr(item, 'callspec', None) and item.callspec.params.get('name')}"  # type: ignore[attr-defined]
    return item.nodeid if file in ALONE else f"{folder}/{file}"


def _rank(item: pytest.Item) -> int:
    parts = item.path.relative_to(Path(__file__).parent).parts
    return FIRST.index(parts[0]) if parts[0] in FIRST else len(FIRST)
