"""Promotion by compare-and-swap, rollback, and what happens after a crash or when others change the registry."""

from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.errors import PromotionError, TrackingError
from qatflow.release.log import PromotionLog
from qatflow.release.promote import champion, history, promote, rollback, whoami, withdrawn
from tests.unit.release.fabricate import bundle, flatbuffer


class Office:
    """A registry with four versions and its log."""

    def __init__(self, folder: Path) -> None:
        self.registry = InMemoryRegistry("digits")
        self.log = PromotionLog(folder, "digits")
        for number in range(1, 5):
            model = flatbuffer("int8", padding=4 * number)
            facts = {"variant": f"v{number}", "score": "0.9", "latency_us": "1.0"}
            made = bundle(folder / str(number), model)
            facts["model_sha256"] = self.sha256(made)
            assert self.registry.register(self.registry.log_model(made, facts, {})) == number

    @staticmethod
    def sha256(folder: Path) -> str:
        from qatflow.release.bundle import load_bundle

        return load_bundle(folder).sha256

    def promote(self, version: int, expected: int | None):
        return promote(self.registry, self.log, version, expected, who="ada@host", why="nightly", gates={"a": 1})

    def rollback(self, **fields):
        return rollback(self.registry, self.log, who="eve@host", why="flaky", **fields)

    def state(self) -> tuple[int | None, int | None]:
        aliases = self.registry.aliases()
        return aliases.get("champion"), aliases.get("previous")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_promotions_move_both_aliases_and_are_logged(office: Office):
    first, second = office.promote(1, None), office.promote(2, 1)

    assert office.state() == (2, 1)
    assert [first, second] == office.log.read()
    assert (second.action, second.version, second.from_version) == ("promote", 2, 1)
    assert (second.who, second.why, second.gates) == ("ada@host", "nightly", {"a": 1})
    assert second.model_sha256 == office.registry.version(2).sha256


@pytest.mark.parametrize("expected", [None, 2, 3])
def test_whoever_expects_another_champion_is_told_which_it_is(office: Office, expected: int | None):
    office.promote(1, None)

    with pytest.raises(PromotionError, match=r"Champion of digits is version 1, not (none|version 2|version 3)"):
        office.promote(4, expected)
    assert office.state() == (1, None)
    assert len(office.log.read()) == 1


def test_the_champion_is_not_promoted_again(office: Office):
    office.promote(1, None)

    with pytest.raises(PromotionError, match="Version 1 of digits is the champion already"):
        office.promote(1, 1)


def test_a_version_that_is_not_there_is_refused_before_anything_is_written(office: Office):
    with pytest.raises(PromotionError, match="digits has no version 9"):
        office.promote(9, None)
    assert office.log.read() == []


def test_rollback_goes_back_as_far_as_promotions_went_forward(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.promote(3, 2)

    entry = office.rollback()

    assert (entry.action, entry.version, entry.from_version, entry.who) == ("rollback", 2, 3, "eve@host")
    assert office.state() == (2, 1)
    office.rollback()
    assert office.state() == (1, None)
    with pytest.raises(PromotionError, match="champion of digits is version 1, and it replaced no other"):
        office.rollback()


def test_after_a_rollback_the_next_promotion_replaces_the_old_champion(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()
    office.promote(3, 1)

    assert office.state() == (3, 1)
    assert office.rollback().version == 1


def test_rollback_without_any_champion_is_refused(office: Office):
    with pytest.raises(PromotionError, match="champion of digits is none"):
        office.rollback()


def test_rollback_to_a_deleted_version_is_refused(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    del office.registry.versions[1]

    with pytest.raises(PromotionError, match="digits has no version 1, or it was deleted"):
        office.rollback()
    assert office.state() == (2, 1)


def test_history_is_newest_first(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()

    assert [(entry.action, entry.version) for entry in history(office.log)] == [
        ("rollback", 1),
        ("promote", 2),
        ("promote", 1),
    ]


@pytest.mark.parametrize("fails", ["champion", "previous"])
def test_a_registry_that_fails_after_the_log_was_written_is_brought_up_by_the_next_call(
    office: Office, monkeypatch: pytest.MonkeyPatch, fails: str
):
    office.promote(1, None)
    office.promote(2, 1)
    real = office.registry.set_alias

    def broken(alias: str, number: int) -> None:
        if alias == fails:
            raise TrackingError("the server is gone")
        real(alias, number)

    monkeypatch.setattr(office.registry, "set_alias", broken)
    with pytest.raises(TrackingError):
        office.promote(3, 2)
    monkeypatch.undo()

    assert champion(office.registry, office.log) == 3
    assert office.state() == (3, 2)
    assert [entry.version for entry in office.log.read()] == [1, 2, 3]


def test_a_hand_made_change_is_adopted_with_an_entry(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.registry.set_alias("champion", 1)

    assert champion(office.registry, office.log) == 1
    entry = office.log.read()[-1]
    assert (entry.action, entry.version, entry.from_version, entry.who) == ("adopt", 1, 2, whoami())
    assert office.state() == (1, 2)
    assert office.rollback().version == 2


def test_a_champion_from_before_the_log_is_adopted_with_its_predecessor(office: Office):
    office.registry.set_alias("champion", 3)
    office.registry.set_alias("previous", 2)

    assert champion(office.registry, office.log) == 3
    assert office.state() == (3, 2)
    assert office.rollback().version == 2


def test_a_registry_that_was_emptied_starts_again(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.registry.delete_alias("champion")
    office.registry.delete_alias("previous")

    assert champion(office.registry, office.log) is None
    office.promote(1, None)
    assert office.state() == (1, None)
    with pytest.raises(PromotionError, match="it replaced no other"):
        office.rollback()


def test_a_model_rolled_back_as_bad_is_withdrawn_until_it_is_promoted_by_hand(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()
    bad = office.registry.version(2).sha256

    assert withdrawn(office.log.read()) == {bad: "eve@host rolled it back (flaky); `qatflow promote` can bring it back"}
    office.promote(2, 1)
    assert withdrawn(office.log.read()) == {}


def test_a_rollback_for_another_cause_withdraws_nothing(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback(withdraw=False)

    assert withdrawn(office.log.read()) == {}


def test_whoami_names_user_and_host():
    user, host = whoami().split("@")

    assert user
    assert host
