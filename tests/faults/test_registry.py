"""Faults of the registry: a real MLflow server behind a proxy that fails at each call, and a database that is tampered.

A call that fails says so in a QATFlowError; what was champion stays champion, or the promotion is completed later.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from qatflow.adapters.alias_follower import mirror
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.deploy.local import current
from qatflow.errors import ArtifactError, PromotionError, QATFlowError, TrackingError
from qatflow.release.bundle import load_bundle
from qatflow.release.log import PromotionLog
from qatflow.release.past import succession
from qatflow.release.promote import champion, promote, rollback
from tests.faults import proxy as proxies
from tests.faults.promoter import open_registry
from tests.faults.proxy import Proxy
from tests.faults.test_promotions import versions
from tests.unit.adapters.test_mlflow_pyfunc import serving
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = [pytest.mark.fault, pytest.mark.slow]
FAULTS = [proxies.server_error, proxies.hang_up, proxies.other_page, proxies.cut_off]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an MLflow database with two registered versions, made once."""
    root = tmp_path_factory.mktemp("store")
    assert versions(root, 2) == [1, 2]
    return root


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[Proxy]:
    """Run MLflow's own server over a database of its own, behind a proxy; clients give up at once."""
    quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quick.items():
            patch.setenv(name, value)
        root = store / "server"
        root.mkdir()
        arguments = ["server", "--backend-store-uri", f"sqlite:///{root}/mlflow.db"]
        arguments += ["--artifacts-destination", str(root / "files"), "--workers", "1"]
        with serving(arguments, "/health") as port, proxies.before(port) as proxy:
            for index in (1, 2):
                store_model(connected(proxy), store / f"served{index}", index)
            yield proxy


@pytest.fixture
def healthy(server: Proxy) -> Iterator[MlflowRegistry]:
    """Return the registry of the healthy server with version 1 as champion of nobody's log."""
    server.heal()
    registry = connected(server)
    for alias in registry.aliases():
        registry.delete_alias(alias)
    yield registry
    server.heal()


def connected(proxy: Proxy) -> MlflowRegistry:
    return MlflowRegistry(MlflowTracker(proxy.url, "qatflow", Path()), "digits")


def store_model(registry: MlflowRegistry, folder: Path, index: int) -> int:
    made = bundle(folder, flatbuffer("int8", padding=4 * index))
    facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
    return registry.register(registry.log_model(made, facts, {"score": 0.9}))


def promoted(registry: MlflowRegistry, log: PromotionLog, version: int, expected: int | None) -> Any:
    return promote(registry, log, version, expected, who="ada", why="test", gates={})


def failing_at_each_call(proxy: Proxy, kind: int, work: Callable[[int], object]) -> Iterator[int]:
    """Do `work(call)` with a fault from that call on, each another one; yield the calls that failed, when healed."""
    messages = []
    for call in count():
        proxy.arm(FAULTS[(call + kind) % len(FAULTS)], call)
        try:
            work(call)
        except (TrackingError, PromotionError, ArtifactError) as error:
            messages.append(str(error))
            proxy.heal()
            yield call
        else:
            proxy.heal()
            break
    assert all("\n" not in message and "Traceback" not in message for message in messages)


@pytest.mark.parametrize("kind", [0, 2])
def test_a_server_that_fails_at_any_call_of_a_promotion_leaves_it_done_or_not_done(
    server: Proxy, healthy: MlflowRegistry, tmp_path: Path, kind: int
):
    outcomes = set()

    def prepared(call: int) -> PromotionLog:
        return PromotionLog(tmp_path / str(call), "digits")

    def work(call: int) -> None:
        server.heal()
        for alias in healthy.aliases():
            healthy.delete_alias(alias)
        promoted(healthy, prepared(call), 1, None)
        server.arm(FAULTS[(call + kind) % len(FAULTS)], call)
        promoted(healthy, prepared(call), 2, 1)

    for call in failing_at_each_call(server, kind, work):
        log = prepared(call)
        logged = log.read()[-1].version
        outcomes.add(logged)
        assert champion(healthy, log) == logged
        assert healthy.aliases() == ({"champion": 1} if logged == 1 else {"champion": 2, "previous": 1})
    assert outcomes == {1, 2}


def test_a_server_that_does_not_answer_is_given_up(server: Proxy, healthy: MlflowRegistry, tmp_path: Path):
    log = PromotionLog(tmp_path, "digits")
    promoted(healthy, log, 1, None)
    server.arm(proxies.silent, 2)

    with pytest.raises(TrackingError, match="is it running"):
        promoted(healthy, log, 2, 1)

    server.heal()
    assert champion(healthy, log) == 1


def test_a_server_that_fails_at_any_call_of_a_download_leaves_nothing_behind(
    server: Proxy, healthy: MlflowRegistry, tmp_path: Path
):
    calls = 0
    for call in failing_at_each_call(server, 0, lambda call: healthy.download(1, tmp_path / f"{call}" / "bundle")):
        assert list((tmp_path / str(call)).glob("*")) == []
        calls += 1
    assert calls > 3
    assert load_bundle(tmp_path / str(calls) / "bundle").model == flatbuffer("int8", padding=4)


def test_an_upload_that_fails_at_any_call_counts_for_nothing_and_can_be_repeated(
    server: Proxy, healthy: MlflowRegistry, tmp_path: Path
):
    def work(call: int) -> None:
        store_model(healthy, tmp_path / f"model{call}", 10 + call)

    calls = 0
    for call in failing_at_each_call(server, 1, work):
        sha256 = load_bundle(tmp_path / f"model{call}" / "bundle").sha256
        before = healthy._client.search_model_versions(f"name = 'digits' AND tags.model_sha256 = '{sha256}'")
        assert len(before) <= 1
        if call % 8 == 0:  # the repeat takes as long as all else
            number = store_model(healthy, tmp_path / f"again{call}", 10 + call)
            assert load_bundle(healthy.download(number, tmp_path / f"{call}" / "bundle")).sha256 == sha256
        calls += 1
    assert calls > 8


def test_a_server_that_is_gone_is_named():
    with pytest.raises(TrackingError, match=r"MLflow at http://127\.0\.0\.1:1 failed; is it running"):
        MlflowTracker("http://127.0.0.1:1", "qatflow", Path())


@pytest.fixture
def project(store: Path, tmp_path: Path) -> Path:
    """Return a project with a database of its own and version 1 as champion, promoted in place of none."""
    import shutil

    for name in ("mlflow.db", "mlartifacts"):
        (shutil.copytree if (store / name).is_dir() else shutil.copy)(store / name, tmp_path / name)
    promoted(open_registry(tmp_path), PromotionLog(tmp_path, "digits"), 1, None)
    return tmp_path


def tampered(project: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(project / "mlflow.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0


def test_rollback_with_no_former_champion(project: Path):
    with pytest.raises(PromotionError, match="replaced no other"):
        rollback(open_registry(project), PromotionLog(project, "digits"), who="eve", why="test")


def test_an_alias_that_is_missing_and_one_whose_version_was_deleted(project: Path):
    registry, log = open_registry(project), PromotionLog(project, "digits")
    promoted(registry, log, 2, 1)
    with pytest.raises(PromotionError, match="digits has no alias staging"):
        mirror(registry, "staging", project / "deployed")
    mirror(registry, "champion", project / "deployed")

    former = registry.version(1).sha256
    registry._client.delete_model_version("digits", "1")
    entry = rollback(registry, log, who="eve", why="test")  # its bytes were kept
    assert (entry.model_sha256, mirror(registry, "champion", project / "deployed")) == (former, entry.version)
    deployed = load_bundle(current(project / "deployed")).sha256
    assert deployed == former

    registry._client.delete_model_version("digits", str(entry.version))
    with pytest.raises(PromotionError, match=rf"no alias champion|no version {entry.version}"):
        mirror(registry, "champion", project / "deployed")
    assert load_bundle(current(project / "deployed")).sha256 == deployed


def test_an_alias_that_points_nowhere(project: Path):
    registry = open_registry(project)
    tampered(project, "UPDATE registered_model_aliases SET version = 77 WHERE alias = 'champion'")

    with pytest.raises(PromotionError, match="no version 77, or it was deleted"):
        champion(registry, PromotionLog(project, "digits"))
    with pytest.raises(PromotionError, match="no version 77, or it was deleted"):
        mirror(registry, "champion", project / "deployed")


@pytest.mark.parametrize(
    "source", ["file:///etc/passwd", "/etc", "http://169.254.169.254/latest/meta-data", "models:/digits/1", "../../x"]
)
def test_a_version_whose_source_lies_elsewhere_is_not_followed(project: Path, source: str):
    tampered(project, "UPDATE model_versions SET source = ? WHERE version = 1", source)

    with pytest.raises(PromotionError, match="is no model that QATFlow stored"):
        open_registry(project).download(1, project / "bundle")
    assert not (project / "bundle").exists()


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest", "https://evil.example/x", "ftp://a.example/x"])
def test_files_at_an_address_that_a_stranger_could_answer_are_not_fetched(project: Path, location: str):
    tampered(project, "UPDATE logged_models SET artifact_location = ?", location)

    with pytest.raises(PromotionError, match="is no place where QATFlow keeps models"):
        open_registry(project).download(1, project / "bundle")


@pytest.mark.parametrize("location", ["file:///etc", "file:///proc/self", "file:///nowhere"])
def test_files_that_are_no_bundle_are_refused(project: Path, location: str):
    tampered(project, "UPDATE logged_models SET artifact_location = ?", location)

    with pytest.raises(PromotionError, match="Cannot fetch the files of version 1"):
        open_registry(project).download(1, project / "bundle")


@pytest.mark.parametrize("name", ["model.tflite", "manifest.json", "golden.npz"])
def test_a_missing_or_altered_artifact_is_refused_and_what_is_deployed_stays(project: Path, name: str):
    registry = open_registry(project)
    mirror(registry, "champion", project / "deployed")
    before = load_bundle(current(project / "deployed")).sha256
    promoted(registry, PromotionLog(project, "digits"), 2, 1)
    for file in (project / "mlartifacts").rglob(f"artifacts/bundle/{name}"):
        file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(QATFlowError, match=r"altered|not right|not those that were registered"):
        mirror(registry, "champion", project / "deployed")
    for file in (project / "mlartifacts").rglob(f"artifacts/bundle/{name}"):
        file.unlink()

    with pytest.raises(QATFlowError, match=r"whole bundle|no bundle"):
        mirror(registry, "champion", project / "deployed")

    assert load_bundle(current(project / "deployed")).sha256 == before


def test_a_locked_database_is_waited_for(project: Path):
    registry, log = open_registry(project), PromotionLog(project, "digits")
    holder = sqlite3.connect(project / "mlflow.db", check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.5, holder.rollback).start()

    assert promoted(registry, log, 2, 1).version == 2

    holder.close()
    assert registry.aliases() == {"champion": 2, "previous": 1}


def test_an_alias_that_flips_every_ten_milliseconds_never_leaves_log_or_deployment_in_between(project: Path):
    registry, log, stop = open_registry(project), PromotionLog(project, "digits"), threading.Event()
    flipper = open_registry(project)

    def flip() -> None:
        for number in count():
            flipper.set_alias("champion", 1 + number % 2)
            if stop.wait(0.01):
                return

    thread = threading.Thread(target=flip)
    thread.start()
    try:
        seen = {mirrored(registry, log, project) for _ in range(25)}
    finally:
        stop.set()
        thread.join()

    assert champion(registry, log) == registry.aliases()["champion"] == succession(log.read())[-1].version
    assert seen <= {load_bundle(registry.download(n, project / f"v{n}")).sha256 for n in (1, 2)}


def mirrored(registry: MlflowRegistry, log: PromotionLog, project: Path) -> str:
    """Look at log and alias, mirror the champion, and return what is deployed then."""
    assert champion(registry, log) in {1, 2}
    mirror(registry, "champion", project / "deployed")
    return load_bundle(current(project / "deployed")).sha256
