"""`kill -9` before each durable step of every deploy target, of an upload, and of a sign-off."""

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from qatflow.adapters.targets import TARGETS
from qatflow.artifacts import sha256_file
from qatflow.deploy.archive import unpack, verify
from qatflow.deploy.base import Place
from qatflow.deploy.remote import deploy_http
from qatflow.params.deploy import DeployParams
from qatflow.release.approval import approve, hold, reject
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.promote import champion, promote
from tests.faults.killing import killed_before
from tests.faults.test_promotions import SharedRegistry
from tests.unit.deploy.server import Server, serving
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = [pytest.mark.fault, pytest.mark.slow]
REPAIRED = 4
"""Every so many steps the next deployment must clear what the killed one left; it takes most of the time."""


def visible(place: Path) -> dict[str, str]:
    """Return what a reader of a deploy folder may look at: archives, and what `current` points to."""
    files = [*place.glob("*.qatflow"), *(place / "current").rglob("*")]
    found = {path.relative_to(place).as_posix(): sha256_file(path) for path in files if path.is_file()}
    return found | {name: "holds a time" for name in found if name == "current/MLmodel"}


@pytest.mark.parametrize("target", ["archive", "micro", "mlflow"])
def test_killed_anywhere_a_target_shows_the_former_or_the_new_model_whole(tmp_path: Path, target: str):
    old, new = bundle(tmp_path / "old"), bundle(tmp_path / "new", flatbuffer("int4"))
    TARGETS[target](old, Place(tmp_path / "first", "digits"))
    shutil.copytree(tmp_path / "first", tmp_path / "second", symlinks=True)
    TARGETS[target](new, Place(tmp_path / "second", "digits"))
    before, whole = visible(tmp_path / "first"), visible(tmp_path / "second")
    seen = set()
    for step in count():
        place = Place(tmp_path / f"place{step}", "digits")
        shutil.copytree(tmp_path / "first", place.path, symlinks=True)

        killed = killed_before(step, lambda place=place: TARGETS[target](new, place))

        after = visible(place.path)
        assert after in (before, whole)
        seen.add((killed, after == before))
        if step % REPAIRED == 0:
            TARGETS[target](new, place)
            assert visible(place.path) == whole
            assert [path.name for path in place.path.rglob(".*") if path.name != ".lock"] == []
        if not killed:
            break
    assert step > 3
    assert seen == {(True, True), (True, False), (False, False)}


def test_killed_anywhere_unpacking_leaves_all_or_nothing(tmp_path: Path):
    made = bundle(tmp_path)
    TARGETS["archive"](made, Place(tmp_path, "digits"))
    content = next(tmp_path.glob("*.qatflow")).read_bytes()
    for step in count():
        into = tmp_path / f"out{step}" / "bundle"

        killed = killed_before(step, lambda into=into: unpack(content, into))

        assert not into.exists() or load_bundle(into).sha256 == verify(content)[0]
        if not killed:
            break
    assert into.exists()
    assert step > 5


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(tmp_path / "device") as running:
        monkeypatch.setenv("QATFLOW_TOKEN", running.token)
        yield running


def test_a_client_killed_at_any_request_leaves_the_server_with_one_whole_model(server: Server, tmp_path: Path):
    old, new = bundle(tmp_path / "old"), bundle(tmp_path / "new", flatbuffer("int4"))
    place = Place(tmp_path, "digits", DeployParams(url=server.url))
    digests = [load_bundle(made).sha256 for made in (old, new)]
    deploy_http(old, place)
    found = []
    for request in range(3):  # ask what is live, send the archive, ask again

        def work(request: int = request) -> None:
            real, left = httpx.Client.stream, [request]

            def stream(*args: Any, **kwargs: Any) -> Any:
                if not left[0]:
                    killed_here()
                left[0] -= 1
                return real(*args, **kwargs)

            httpx.Client.stream = stream
            deploy_http(new, place)

        assert killed_before(10**6, work)
        found.append(server.live())
    assert found == [digests[0], digests[0], digests[1]]
    deploy_http(new, place)
    assert len(server.received) == 2


def killed_here() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_a_client_gone_in_the_middle_of_an_upload_changes_nothing(server: Server, tmp_path: Path):
    old = bundle(tmp_path / "old")
    deploy_http(old, Place(tmp_path, "digits", DeployParams(url=server.url)))
    before, received = server.live(), len(server.received)

    with httpx.Client() as client, pytest.raises(RuntimeError, match="gone"):
        client.put(f"{server.url}/v2/bundle", content=half(), headers={"content-length": "10000"})

    with httpx.Client() as client:
        assert client.get(server.url, headers={"authorization": f"Bearer {server.token}"}).status_code == 200
    assert server.live() == before
    assert len(server.received) in {received, received + 1}  # the server may still be waiting for the rest


def half() -> Iterator[bytes]:
    yield b"PK\3\4" + bytes(1000)
    raise RuntimeError("gone")


def versions(registry: SharedRegistry, folder: Path) -> None:
    """Register two models."""
    for index in range(2):
        made = bundle(folder / str(index), flatbuffer("int8", padding=4 * index))
        facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
        registry.register(registry.log_model(made, facts, {}))


Answer = Callable[[SharedRegistry, PromotionLog], Any]
SIGNED: dict[str, tuple[Answer, dict[str, int], dict[str, int]]] = {
    "hold": (
        lambda registry, log: hold(registry, log, 2, 1, who="flow", why="nightly", gates={}),
        {"champion": 1},
        {"champion": 1, "pending": 2},
    ),
    "approve": (
        lambda registry, log: approve(registry, log, None, who="ada", why="fine"),
        {"champion": 1, "pending": 2},
        {"champion": 2, "previous": 1},
    ),
    "reject": (
        lambda registry, log: reject(registry, log, None, who="ada", why="slow"),
        {"champion": 1, "pending": 2},
        {"champion": 1},
    ),
}


@pytest.mark.parametrize(("answer", "before", "after"), SIGNED.values(), ids=SIGNED)
def test_killed_anywhere_a_sign_off_is_done_or_not_done(tmp_path: Path, answer: Answer, before, after):
    registry = SharedRegistry("digits")
    versions(registry, tmp_path)
    outcomes = set()
    for step in count():
        registry.home = tmp_path / f"server{step}"
        registry.home.mkdir()
        log = PromotionLog(tmp_path / f"project{step}", "digits")
        promote(registry, log, 1, None, who="ada", why="first", gates={})
        if "pending" in before:
            hold(registry, log, 2, 1, who="flow", why="nightly", gates={})
        entries = len(log.read())

        killed = killed_before(step, lambda log=log: answer(registry, log))

        done = len(log.read()) > entries
        outcomes.add((killed, done))
        assert champion(registry, log) == (after if done else before)["champion"]
        assert registry.aliases() == (after if done else before)
        if not killed:
            break
    assert outcomes == {(True, False), (True, True), (False, True)}
