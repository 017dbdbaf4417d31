"""Two clones of a project that share one registry: one log, one winner, and a way on when the logs part."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.errors import PromotionError
from qatflow.release.log import PromotionLog
from qatflow.release.past import withdrawn
from qatflow.release.promote import champion, promote, rollback
from qatflow.release.shared import repair
from tests.unit.release.test_promote import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def other(office: Office, tmp_path: Path) -> PromotionLog:
    """The log of a second clone."""
    return PromotionLog(tmp_path / "other", "digits")


def promoted(office: Office, log: PromotionLog, version: int, expected: int | None):
    return promote(office.registry, log, version, expected, who="bob@other", why="theirs", gates={})


def before_the(call: int, method: str, registry: InMemoryRegistry, act: Callable[[], object]) -> None:
    """Let `act` happen just before the given call (from 1) of a registry's method."""
    real, calls = getattr(registry, method), [0]

    def intruded(*arguments):
        calls[0] += 1
        if calls[0] == call:
            act()
        return real(*arguments)

    setattr(registry, method, intruded)


def test_a_clone_reads_what_the_other_decided(office: Office, other: PromotionLog):
    office.promote(1, None)
    promoted(office, other, 2, 1)

    assert champion(office.registry, office.log) == 2
    assert office.log.path.read_bytes() == other.path.read_bytes()
    assert office.rollback().version == 1
    assert champion(office.registry, other) == 1
    assert list(withdrawn(other.read())) == [office.registry.version(2).sha256]


@pytest.mark.parametrize("method", ["shared_log", "aliases", "version", "download", "claim"])
def test_of_two_clones_at_once_one_wins_wherever_the_other_comes_in_between(
    office: Office, other: PromotionLog, method: str
):
    office.promote(1, None)
    before_the(1, method, office.registry, lambda: promoted(office, other, 3, 1))

    with pytest.raises(PromotionError, match="is version 3, not version 1: another promotion came first"):
        office.promote(2, 1)
    assert office.state() == (3, 1)
    assert [entry.version for entry in office.log.read()] == [1, 3]


@pytest.mark.parametrize("call", [1, 2])
def test_a_clone_that_was_overtaken_while_it_set_the_alias_leaves_the_later_champion(
    office: Office, other: PromotionLog, call: int
):
    office.promote(1, None)
    before_the(call, "set_alias", office.registry, lambda: promoted(office, other, 3, 2))

    office.promote(2, 1)

    assert office.state() == (3, 2)
    assert champion(office.registry, office.log) == champion(office.registry, other) == 3


def test_a_promotion_of_a_clone_that_died_is_completed_by_the_other(office: Office, other: PromotionLog):
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    office.promote(1, None)
    before_the(1, "set_alias", office.registry, die)
    with pytest.raises(Killed):
        office.promote(2, 1)

    assert champion(office.registry, other) == 2
    assert office.state() == (2, 1)


def test_a_promotion_in_place_of_a_withdrawn_model_is_completed_by_the_other_clone(office: Office, other: PromotionLog):
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()
    office.registry.set_alias("champion", 2)
    before_the(1, "set_alias", office.registry, die)
    with pytest.raises(Killed):
        office.promote(3, 2)

    with pytest.raises(PromotionError, match="is version 3, not version 2: another promotion came first"):
        promoted(office, other, 4, 2)
    assert office.state() == (3, 1)


def test_a_registry_that_came_back_from_a_backup_is_told_what_it_forgot(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    backup = dict(office.registry.lines)
    office.rollback()
    office.registry.lines, office.registry.published = backup, 2
    office.registry.set_alias("champion", 2)

    with pytest.raises(PromotionError, match="a model that was withdrawn"):
        champion(office.registry, office.log)
    assert office.rollback().version == 1
    assert len(office.registry.lines) == 4


def test_logs_that_part_are_named_and_repaired_with_what_was_withdrawn(office: Office, other: PromotionLog):
    office.promote(1, None)
    apart = InMemoryRegistry("digits", office.registry.models, office.registry.versions)
    for version in (3, 4):
        promote(apart, other, version, version - 1 if version > 3 else None, who="bob", why="apart", gates={})
    rollback(apart, other, who="bob", why="bad", withdraw=True)
    before = other.path.read_bytes()

    with pytest.raises(PromotionError, match=r"part at entry 1: .*`qatflow history --repair`"):
        champion(office.registry, other)
    assert other.path.read_bytes() == before
    entries, aside = repair(office.registry, other, "bob")

    assert aside is not None
    assert aside.read_bytes() == before
    assert [(entry.action, entry.version) for entry in entries] == [("promote", 1), ("reject", 4)]
    assert champion(office.registry, other) == champion(office.registry, office.log) == 1


@pytest.mark.parametrize("damage", ["cut", "forged", "garbage", "mark", "gone"])
def test_a_damaged_log_is_repaired_from_the_registry(office: Office, damage: str):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()
    path, whole = office.log.path, office.log.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = {"cut": b"".join(lines[:-1]), "forged": lines[0] + lines[2], "garbage": b"\xff\n" * 3}
    path.write_bytes(damaged.get(damage, whole))
    if damage == "mark":
        path.with_suffix(".published").write_bytes(b"\0")
    if damage == "gone":
        path.unlink()
    with pytest.raises(PromotionError, match="`qatflow history --repair`"):
        champion(office.registry, office.log)

    repair(office.registry, office.log, "ada")

    assert path.read_bytes() == whole
    assert champion(office.registry, office.log) == 1


def test_a_whole_log_is_left_as_it_is_by_a_repair(office: Office):
    office.promote(1, None)
    before = office.log.path.read_bytes()

    entries, aside = repair(office.registry, office.log, "ada")

    assert (len(entries), aside, office.log.path.read_bytes()) == (1, None, before)


def test_a_log_that_the_registry_lost_is_given_back_to_it(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.registry.lines[1] = "{}"
    with pytest.raises(PromotionError, match="part at entry 1"):
        champion(office.registry, office.log)

    repair(office.registry, office.log, "ada")

    assert champion(office.registry, office.log) == 2
    assert [office.registry.lines[seq] for seq in (1, 2)] == [entry.line() for entry in office.log.read()]


def test_a_machine_does_not_promote_what_another_clone_withdrew(office: Office, other: PromotionLog):
    office.promote(1, None)
    promoted(office, other, 2, 1)
    rollback(office.registry, other, who="bob", why="bad")

    with pytest.raises(PromotionError, match=r"Version 2 of digits was withdrawn: bob rolled it back \(bad\)"):
        office.promote(2, 1, by_hand=False)
    assert champion(office.registry, office.log) == 1
