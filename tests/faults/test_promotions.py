"""Promotion and deployment when processes race, die at any step, or find the disk full."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.artifacts import write_text
from qatflow.deploy.local import current, deploy_local
from qatflow.release.bundle import load_bundle
from qatflow.release.log import Change, PromotionLog
from qatflow.release.past import succession
from qatflow.release.ports import SharedLog
from qatflow.release.promote import champion, promote
from tests.faults.killing import killed_before, without_disk
from tests.faults.promoter import open_registry, open_together, try_to_promote, try_to_roll_back
from tests.unit.release.fabricate import bundle, flatbuffer

pytestmark = [pytest.mark.fault, pytest.mark.slow]
PRELOADED = ["tests.faults.promoter", "mlflow", "mlflow.store.tracking.sqlalchemy_store"]


@pytest.fixture(scope="module")
def processes() -> ProcessPoolExecutor:
    """Twenty processes that are not forks of this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with ProcessPoolExecutor(20, mp_context=context) as pool:
        yield pool


def versions(root: Path, number: int) -> list[int]:
    """Register `number` models in a fresh MLflow database."""
    return register(open_registry(root), root, number)


def register(registry: MlflowRegistry, root: Path, number: int) -> list[int]:
    """Register `number` models."""
    found = []
    for index in range(number):
        made = bundle(root / f"model{index}", flatbuffer("int8", padding=4 * (index + 1)))
        facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
        found.append(registry.register(registry.log_model(made, facts, {"score": 0.9})))
    return found


def test_of_twenty_promotions_at_once_one_wins_and_the_log_is_complete(tmp_path: Path, processes: ProcessPoolExecutor):
    numbers = versions(tmp_path, 20)

    futures = [processes.submit(try_to_promote, tmp_path, number, None, together=20) for number in numbers]

    outcomes = [future.result() for future in futures]
    (winner,) = (number for number, outcome in zip(numbers, outcomes, strict=True) if outcome == "won")
    losers = [outcome for outcome in outcomes if outcome != "won"]
    assert len(losers) == 19
    assert all(f"is version {winner}, not none: another promotion came first" in outcome for outcome in losers)
    assert open_registry(tmp_path).aliases() == {"champion": winner}
    (entry,) = PromotionLog(tmp_path, "digits").read()
    assert (entry.version, entry.who) == (winner, f"promoter {winner}")


def test_promotions_and_rollbacks_at_once_leave_log_and_registry_in_step(
    tmp_path: Path, processes: ProcessPoolExecutor
):
    numbers = versions(tmp_path, 11)
    assert try_to_promote(tmp_path, numbers[0], None) == "won"
    promotions = [processes.submit(try_to_promote, tmp_path, number, numbers[0], together=20) for number in numbers[1:]]
    rollbacks = [processes.submit(try_to_roll_back, tmp_path, together=20) for _ in range(9)]

    won = sum(future.result() == "won" for future in [*promotions, *rollbacks])

    entries = PromotionLog(tmp_path, "digits").read()
    line = [link.version for link in succession(entries)]
    assert len(entries) == 1 + won >= 2
    aliases = {"champion": line[-1]} | ({"previous": line[-2]} if len(line) > 1 else {})
    assert open_registry(tmp_path).aliases() == aliases


def test_processes_that_open_a_fresh_database_together_all_succeed(tmp_path: Path, processes: ProcessPoolExecutor):
    futures = [processes.submit(open_together, tmp_path, 20) for _ in range(20)]

    assert {future.result() for future in futures} == {"1"}
    assert list(tmp_path.glob("mlflow.db.new*")) == []


def test_killed_anywhere_a_deployment_leaves_the_former_or_the_new_model_whole(tmp_path: Path):
    old, new = bundle(tmp_path / "old"), bundle(tmp_path / "new", flatbuffer("int4"))
    digests = [load_bundle(made).sha256 for made in (old, new)]
    seen = set()
    for step in count():
        place = tmp_path / f"place{step}"
        deploy_local(old, place)

        killed = killed_before(step, lambda place=place: deploy_local(new, place))

        in_use = load_bundle(current(place)).sha256
        assert in_use in digests
        seen.add((killed, in_use))
        deploy_local(new, place)
        assert load_bundle(current(place)).sha256 == digests[1]
        assert len(list((place / "versions").iterdir())) == 2
        if not killed:
            break
    assert step > 15
    assert seen == {(True, digests[0]), (True, digests[1]), (False, digests[1])}


@dataclass
class SharedRegistry(InMemoryRegistry):
    """A registry whose aliases and log outlive the process that sets them, as those of a server do."""

    home: Path = Path()

    def aliases(self) -> dict[str, int]:
        return {path.name: int(path.read_text()) for path in self.home.glob("[a-z]*")}

    def set_alias(self, alias: str, number: int) -> None:
        write_text(self.home / alias, str(number))

    def delete_alias(self, alias: str) -> None:
        (self.home / alias).unlink(missing_ok=True)

    def shared_log(self) -> SharedLog:
        found = sorted((int(path.name), path.read_text()) for path in self.home.glob("[0-9]*"))
        return SharedLog(tuple(line for _, line in found), max([0, *(int(p.name[1:]) for p in self.home.glob("=*"))]))

    def claim(self, seq: int, line: str) -> bool:
        aside, place = self.home / f".{os.getpid()}", self.home / str(seq)
        write_text(aside, line)
        try:
            os.link(aside, place)
        except FileExistsError:
            return place.read_text() == line
        finally:
            aside.unlink()
        return True

    def mark_published(self, seq: int) -> None:
        (self.home / f"={seq}").touch()


def test_killed_anywhere_a_promotion_is_done_or_not_done(tmp_path: Path):
    registry = SharedRegistry("digits")
    for index in range(2):
        made = bundle(tmp_path / str(index), flatbuffer("int8", padding=4 * index))
        facts = {"model_sha256": load_bundle(made).sha256, "variant": "v", "score": "0.9", "latency_us": "1.0"}
        registry.register(registry.log_model(made, facts, {}))
    outcomes = set()
    for step in count():
        registry.home = tmp_path / f"server{step}"
        registry.home.mkdir()
        log = PromotionLog(tmp_path / f"project{step}", "digits")
        promote(registry, log, 1, None, who="ada", why="first", gates={})

        killed = killed_before(step, lambda log=log: promote(registry, log, 2, 1, who="ada", why="next", gates={}))

        logged = log.read()[-1].version
        outcomes.add((killed, logged))
        assert champion(registry, log) == logged
        assert registry.aliases() == ({"champion": 1} if logged == 1 else {"champion": 2, "previous": 1})
        assert len(log.read()) == logged
        if not killed:
            break
    assert outcomes == {(True, 1), (True, 2), (False, 2)}


@pytest.mark.parametrize("limit_bytes", [0, 100, 3000])
def test_a_full_disk_leaves_the_former_deployment(tmp_path: Path, limit_bytes: int):
    old, new = bundle(tmp_path / "old"), bundle(tmp_path / "new", flatbuffer("int4"))
    deploy_local(old, tmp_path / "place")

    assert without_disk(limit_bytes, lambda: deploy_local(new, tmp_path / "place")) == 1

    assert load_bundle(current(tmp_path / "place")).sha256 == load_bundle(old).sha256
    assert [path.name for path in (tmp_path / "place" / "versions").iterdir()] == [load_bundle(old).sha256[:16]]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path):
    log = PromotionLog(tmp_path, "digits")
    change = Change("promote", 1, None, "0" * 64, "ada", "test", {"note": "x" * 1000})
    with log.locked():
        log.write(log.draft(change, log.read()))
    size = log.path.stat().st_size

    def append() -> None:
        with log.locked():
            log.write(log.draft(change, log.read()))

    assert without_disk(size + 500, append) == 1
    assert log.path.stat().st_size == size
    assert [entry.seq for entry in log.read()] == [1]
