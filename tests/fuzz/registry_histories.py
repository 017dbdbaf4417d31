"""Histories of a registry that clones of a project share, drawn at random: decisions, faults and meddling in any order.

`python -m tests.fuzz.registry_histories --histories 10000 --seed 1` runs many; a failing one is printed, shortened.
What must hold after every step, and the way on that must exist at the end, stand in `World.check` and `World.recover`.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from qatflow.adapters import promotions
from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.deploy.local import current
from qatflow.errors import QATFlowError, TrackingError
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.release import approval
from qatflow.release import log as promotion_log
from qatflow.release.bundle import load_bundle
from qatflow.release.log import Entry, PromotionLog
from qatflow.release.ports import CHAMPION, PREVIOUS, Registry
from qatflow.release.promote import champion, pointed_at, promote, rollback
from qatflow.release.shared import repair
from tests.unit.release.fabricate import bundle, flatbuffer

CLONES, MODELS, VERSIONS = 2, 8, 5
LAST_LOOK = 3
"""Calls by which a deployment ends: what another clone does amid them is seen by the next command only."""
PARAMS = Params(release=ReleaseParams(name="digits"))
_made = tempfile.TemporaryDirectory(prefix="qatflow-histories-")


class Killed(BaseException):
    """The process is no more."""


@cache
def model(number: int) -> Path:
    """Return the bundle of one of the models that are ever registered."""
    return bundle(Path(_made.name) / str(number), flatbuffer("int8", padding=4 * number))


@cache
def facts(number: int) -> dict[str, str]:
    sha256 = load_bundle(model(number)).sha256
    return {"model_sha256": sha256, "variant": f"m{number}", "score": "0.9", "latency_us": "1.0"}


class Meddled:
    """A registry, or a log, that lets something happen before its n-th call from here; `every` counts for both."""

    def __init__(self, of: Any, every: "Counter") -> None:
        self._of, self._every = of, every

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not callable(found) or name in {"locked", "draft"}:
            return found

        def counted(*arguments: Any) -> Any:
            return self._every.call(lambda: found(*arguments))

        return counted


class Counter:
    """Counts calls, and acts at one of them."""

    def __init__(self, at: int, act: Callable[[Callable[[], Any]], Any]) -> None:
        self.left, self._act = at, act

    def call(self, found: Callable[[], Any]) -> Any:
        self.left -= 1
        return self._act(found) if self.left == 0 else found()


def killed(_: Callable[[], Any]) -> Any:
    raise Killed


def answer_lost(found: Callable[[], Any]) -> Any:
    found()
    raise TrackingError("the answer was lost")


def refused(_: Callable[[], Any]) -> Any:
    raise TrackingError("the server is gone")


FAULTS = {"killed": killed, "answer lost": answer_lost, "refused": refused}
Operation = Callable[[Registry, PromotionLog], Entry | int | None]


class World:
    """One registry in memory, clones with logs of their own, and what an outsider remembers of it all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = InMemoryRegistry("digits")
        self.logs = [PromotionLog(folder / f"clone{clone}", "digits") for clone in range(CLONES)]
        self.withdrawals: dict[str, str] = {}
        self.backup: tuple[Any, ...] | None = None
        self.tampered = [False] * CLONES
        for number in range(3):
            self.register(number)
        for version in (1, 2, 3):
            self.act(version % CLONES, self.promotion(version, version - 1 or None))

    def register(self, number: int) -> int:
        return self.registry.register(self.registry.log_model(model(number), facts(number), {}))

    def delete_version(self, number: int) -> None:
        """Delete a version, and with it its aliases, as MLflow does."""
        self.registry.versions.pop(number, None)
        for alias, pointed in self.registry.aliases().items():
            if pointed == number:
                self.registry.delete_alias(alias)

    def take_backup(self) -> None:
        registry = self.registry
        state = registry.models, registry.versions, registry.aliases(), registry.lines
        self.backup = (*(dict(part) for part in state), registry.published)

    def restore(self) -> None:
        if self.backup is not None:
            *state, published = self.backup
            self.registry = InMemoryRegistry("digits", *(dict(part) for part in state), published)

    def cut_log(self, clone: int, lines: int) -> None:
        """Cut lines off the end of a clone's log."""
        path = self.logs[clone].path
        if path.exists():
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-lines]))

    def act(self, clone: int, operation: Operation) -> Entry | None:
        """Let a clone do something; return the entry that came of it, None if it was refused in a sentence."""
        return self._run(operation, self.registry, clone)

    def act_with(self, clone: int, operation: Operation, at: int, act: Callable[[Callable[[], Any]], Any]) -> None:
        """As `act`, with a fault at one of its calls to registry and log."""
        every = Counter(at, act)
        with suppress(Killed):
            self._run(operation, Meddled(self.registry, every), clone, every)

    def race(self, clone: int, at: int, versions: tuple[int, int]) -> list[Entry]:
        """Let two clones promote in place of the champion that both know, one amid a call of the other."""
        present = self.registry.aliases().get(CHAMPION)
        won: list[Entry | None] = []

        def intrude(found: Callable[[], Any]) -> Any:
            won.append(self.act(1 - clone, self.promotion(versions[1], present)))
            return found()

        every = Counter(at, intrude)
        won.append(self._run(self.promotion(versions[0], present), Meddled(self.registry, every), clone, every))
        return [entry for entry in won if entry is not None]

    def deploy(self, clone: int, at: int, version: int | None, intruder: int) -> None:
        """Promote a version, or roll back if there is none, and deploy; the other clone promotes `intruder` meanwhile.

        Raises:
            AssertionError: If another model than the champion is deployed, and no sentence says so.
        """
        present, root = self.registry.aliases().get(CHAMPION), self.folder / f"clone{clone}"

        def intrude(found: Callable[[], Any]) -> Any:
            self.act(1 - clone, self.promotion(intruder, self.registry.aliases().get(CHAMPION)))
            return found()

        def operation(registry: Registry, _: PromotionLog) -> Entry:
            with mock.patch.object(promotions, "open_registry", return_value=registry):
                if version is None:
                    return promotions.rollback(PARAMS, root, "test")
                return promotions.promote(PARAMS, root, version, present, "test")

        every = Counter(at, intrude)
        entry = self._run(operation, Meddled(self.registry, every), clone, every)
        if entry is not None:
            pointed = self.registry.aliases().get(CHAMPION)
            assert pointed is not None
            unseen = {entry.model_sha256} if -LAST_LOOK <= every.left <= 0 else set()
            assert load_bundle(current(root / "deployed")).sha256 in {self.registry.version(pointed).sha256} | unseen

    def promotion(self, version: int, expected: int | None, *, by_hand: bool = True) -> Operation:
        return lambda registry, log: promote(
            registry, log, version, expected, who="ada", why="test", gates={}, by_hand=by_hand
        )

    def look(self, clone: int) -> tuple[int | None, str]:
        """Return what a clone takes for champion, and the sentence if it refuses to say."""
        try:
            return champion(self.registry, self.logs[clone]), ""
        except QATFlowError as error:
            return None, said(error)

    def check(self) -> None:
        """Raise if one of the promises is broken."""
        for clone, log in enumerate(self.logs):
            found, sentence = self.look(clone)
            if sentence:
                assert "`qatflow " in sentence, f"no way on: {sentence}"
                continue
            assert found == self.registry.aliases().get(CHAMPION)
            assert [line.decode() for line in log.lines()] == [*self.registry.shared_log().lines]
            if found is None:
                continue
            sha256 = self.registry.version(found).sha256
            head = [entry for entry in log.read() if entry.action in {"promote", "rollback", "adopt"}][-1]
            assert (head.version, head.model_sha256) == (found, sha256)
            withdrawal = self.withdrawals.get(sha256)
            assert withdrawal is None or withdrawal not in self._known(log), "a withdrawn model is champion"

    def recover(self) -> None:
        """Raise unless each clone can go on: repair what is said to need it, then promote a good model."""
        for clone, log in enumerate(self.logs):
            if self.look(clone)[1]:
                repair(self.registry, log, "ada")
            number = self.register(MODELS + clone)
            entry = self.act(clone, self.promotion(number, pointed_at(self.registry, log)))
            assert entry is not None, "no promotion by hand goes through"
            assert self.look(clone) == (number, "")
            self.check()

    def _run(self, operation: Operation, registry: Any, clone: int, every: Counter | None = None) -> Entry | None:
        log: Any = self.logs[clone] if every is None else Meddled(self.logs[clone], every)
        before, known = self.registry.aliases().get(CHAMPION), len(self.registry.lines)
        serving = self.registry.version(before).sha256 if before in self.registry.versions else ""
        entry: Any = None
        try:
            entry = operation(registry, log)
        except QATFlowError as error:
            said(error)
        finally:
            for line in [self.registry.lines[seq] for seq in range(known + 1, len(self.registry.lines) + 1)]:
                self._remember(json.loads(line))
        if not isinstance(entry, Entry):
            return None
        assert entry.line() in self.registry.lines.values()
        aliases = self.registry.aliases()
        if entry.action in {"promote", "rollback"} and {PREVIOUS, CHAMPION} <= aliases.keys():
            former, present = (self.registry.version(aliases[alias]) for alias in (PREVIOUS, CHAMPION))
            assert former.sha256 != present.sha256
        if entry.action == "rollback":
            assert every is not None or entry.model_sha256 != serving
            assert entry.model_sha256 not in self.withdrawals
            self._check_was_champion(entry)
        return entry

    def _check_was_champion(self, back: Entry) -> None:
        """Raise if a rollback brought back what never was champion, as a number that means another model would."""
        lines = [json.loads(line) for line in self.registry.lines.values()]
        former = [made for made in lines if made["seq"] < back.seq and made["action"] not in {"hold", "reject"}]
        known = {made["model_sha256"] for made in former} | {made["gates"].get("from_sha256") for made in former}
        assert back.model_sha256 in known, "a rollback to what never was champion"

    def _remember(self, entry: dict[str, Any]) -> None:
        """Note who was withdrawn by an entry, and by which."""
        if entry["action"] == "rollback" and entry["gates"]["withdrawn"]:
            former = [json.loads(line) for _, line in sorted(self.registry.lines.items())][: entry["seq"] - 1]
            for other in [made for made in former if made["action"] in {"promote", "rollback", "adopt"}][-1:]:
                self.withdrawals[other["model_sha256"]] = entry["sha256"]
        if entry["action"] == "reject":
            self.withdrawals[entry["model_sha256"]] = entry["sha256"]
        if entry["action"] in {"promote", "rollback"}:
            self.withdrawals.pop(entry["model_sha256"], None)

    def _known(self, log: PromotionLog) -> set[str]:
        """Return the digests of all entries that a clone could know of, those of logs set aside as well."""
        texts = [path.read_bytes().decode(errors="replace") for path in log.path.parent.glob("*.jsonl*")]
        lines = [line for text in texts for line in text.splitlines()] + [*self.registry.lines.values()]
        return {json.loads(line)["sha256"] for line in lines if line.endswith("}")}


def said(error: QATFlowError) -> str:
    """Return an error's sentence, if it is one."""
    sentence = str(error)
    assert sentence
    assert "\n" not in sentence
    return sentence


clones, calls = st.integers(0, CLONES - 1), st.integers(1, 30)
numbers = st.integers(1, VERSIONS)


class Histories(RuleBasedStateMachine):
    """Anything may happen at any time."""

    def __init__(self) -> None:
        super().__init__()
        place = Path("/dev/shm")  # noqa: S108 (the logs are synced at each entry; a disk would be the clock)
        self.folder = Path(tempfile.mkdtemp(prefix="qatflow-history-", dir=place if place.is_dir() else None))
        self.world = World(self.folder)

    @property
    def present(self) -> int | None:
        return self.world.registry.aliases().get(CHAMPION)

    @rule(clone=clones, version=numbers, by_hand=st.booleans())
    def promote(self, clone: int, version: int, by_hand: bool) -> None:
        self.world.act(clone, self.world.promotion(version, self.present, by_hand=by_hand))

    @rule(clone=clones, withdraw=st.booleans())
    def roll_back(self, clone: int, withdraw: bool) -> None:
        self.world.act(clone, lambda registry, log: rollback(registry, log, who="eve", why="bad", withdraw=withdraw))

    @rule(clone=clones, version=numbers)
    def hold(self, clone: int, version: int) -> None:
        made = {"who": "ada", "why": "test", "gates": {}}
        self.world.act(clone, lambda registry, log: approval.hold(registry, log, version, self.present, **made))

    @rule(clone=clones, approved=st.booleans())
    def answer(self, clone: int, approved: bool) -> None:
        answer = approval.approve if approved else approval.reject
        self.world.act(clone, lambda registry, log: answer(registry, log, None, who="bob", why="test"))

    @rule(number=st.integers(0, MODELS - 1))
    def register(self, number: int) -> None:
        self.world.register(number)

    @rule(version=numbers)
    def delete_version(self, version: int) -> None:
        self.world.delete_version(version)

    @rule(version=numbers, number=st.integers(0, MODELS - 1))
    def give_number_anew(self, version: int, number: int) -> None:
        """As in a registry that was lost and filled again."""
        if version in self.world.registry.versions:
            self.world.registry.versions[version] = self.world.registry.log_model(model(number), facts(number), {})

    @rule(version=numbers)
    def move_alias(self, version: int) -> None:
        if version in self.world.registry.versions:
            self.world.registry.set_alias(CHAMPION, version)

    @rule()
    def delete_alias(self) -> None:
        self.world.registry.delete_alias(CHAMPION)

    @rule()
    def take_backup(self) -> None:
        self.world.take_backup()

    @rule()
    def restore_backup(self) -> None:
        self.world.restore()

    @rule(clone=clones, lines=st.integers(1, 3))
    def cut_log(self, clone: int, lines: int) -> None:
        self.world.cut_log(clone, lines)

    @rule(clone=clones)
    def repair(self, clone: int) -> None:
        repair(self.world.registry, self.world.logs[clone], "ada")

    @rule(clone=clones, versions=st.tuples(numbers, numbers), at=st.integers(1, 12))
    def race(self, clone: int, versions: tuple[int, int], at: int) -> None:
        present = self.present
        won = self.world.race(clone, at, versions)
        assert len(won) < 2 or present in versions, "two winners"

    @rule(clone=clones, version=numbers, at=calls, fault=st.sampled_from(sorted(FAULTS)))
    def promote_with_a_fault(self, clone: int, version: int, at: int, fault: str) -> None:
        self.world.act_with(clone, self.world.promotion(version, self.present), at, FAULTS[fault])

    @rule(clone=clones, at=calls, fault=st.sampled_from(sorted(FAULTS)))
    def roll_back_with_a_fault(self, clone: int, at: int, fault: str) -> None:
        def operation(registry: Registry, log: PromotionLog) -> Entry:
            return rollback(registry, log, who="eve", why="bad")

        self.world.act_with(clone, operation, at, FAULTS[fault])

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.recover()
        finally:
            shutil.rmtree(self.folder)


class Deployed(Histories):
    """As above, and what becomes champion is deployed, in processes of its own: ten times as slow."""

    @rule(clone=clones, version=st.none() | numbers, at=calls, intruder=numbers)
    def deploy(self, clone: int, version: int | None, at: int, intruder: int) -> None:
        self.world.deploy(clone, at, version, intruder)


def run(histories: int, number: int, steps: int = 15, *, deployed: bool = False, shortened: bool = False) -> None:
    """Run histories drawn from a seed.

    Args:
        deployed: Whether to deploy champions as well.
        shortened: Whether to look for a short history that fails too; takes minutes.

    Raises:
        AssertionError: If a promise is broken; the history is in its notes.
    """
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if shortened else [])],
        suppress_health_check=list(HealthCheck),
    )
    with mock.patch.object(promotion_log, "whole", lru_cache(100_000)(promotion_log.whole)):  # the same lines each step
        run_state_machine_as_test(seed(number)(Deployed if deployed else Histories), settings=chosen)


def main() -> None:
    """Run the histories that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--deployed", action="store_true")
    asked, began = parser.parse_args(), time.monotonic()
    run(asked.histories, asked.seed, asked.steps, deployed=asked.deployed, shortened=True)
    print(f"{asked.histories} histories of up to {asked.steps} steps hold, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
