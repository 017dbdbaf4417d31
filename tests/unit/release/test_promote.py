"""Promotion by compare-and-swap, rollback, and what happens after a crash or when others change the registry."""

import shutil
from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.errors import PromotionError, QATFlowError, TrackingError
from qatflow.release.log import PromotionLog, whoami
from qatflow.release.past import withdrawn
from qatflow.release.promote import champion, history, pointed_at, promote, rollback
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

    def promote(self, version: int, expected: int | None, **fields):
        made = {"who": "ada@host", "why": "nightly", "gates": {"a": 1}}
        return promote(self.registry, self.log, version, expected, **made, **fields)

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


def test_a_former_champion_whose_version_was_deleted_is_registered_anew_from_the_copy(office: Office):
    office.promote(1, None)
    former = office.registry.version(1).sha256
    office.promote(2, 1)
    del office.registry.versions[1]

    entry = office.rollback()

    assert (entry.version, entry.model_sha256) == (5, former)
    assert office.registry.version(entry.version).sha256 == former
    assert champion(office.registry, office.log) == entry.version


def test_without_version_and_copy_a_rollback_is_refused_and_nothing_changes(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    del office.registry.versions[1]
    shutil.rmtree(office.log.path.with_suffix(".kept"))

    with pytest.raises(PromotionError, match=r"Nothing to roll back: .*version 1 of the log is no longer there"):
        office.rollback()
    assert office.state() == (2, 1)
    assert len(office.log.read()) == 2


def test_a_deleted_version_that_is_not_needed_stops_nothing(office: Office):
    for version in (1, 2, 3):
        office.promote(version, version - 1 or None)
    del office.registry.versions[1]

    assert office.rollback().version == 2
    assert office.state() == (2, None)
    assert champion(office.registry, office.log) == 2
    office.promote(4, 2)
    assert office.rollback().version == 2


@pytest.mark.parametrize("deleted", ["version", "alias"])
def test_a_champion_that_was_deleted_can_be_rolled_back(office: Office, deleted: str):
    office.promote(1, None)
    office.promote(2, 1)
    office.registry.delete_alias("champion")
    if deleted == "version":
        del office.registry.versions[2]

    entry = office.rollback()

    assert (entry.version, entry.from_version) == (1, 2)
    assert office.state() == (1, None)


def test_a_number_that_means_another_model_now_is_not_the_former_champion(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    former, present = (office.registry.version(number).sha256 for number in (1, 2))
    office.registry.versions[1] = office.registry.versions[3]

    entry = office.rollback()

    assert entry.model_sha256 == former
    assert office.registry.version(entry.version).sha256 == former
    assert list(withdrawn(office.log.read())) == [present]


def test_a_digest_that_was_altered_in_the_registry_is_refused(office: Office):
    uri = office.registry.versions[1]
    files, facts = office.registry.models[uri]
    office.registry.models[uri] = files, {**facts, "model_sha256": "0" * 64}

    with pytest.raises(QATFlowError, match=r"is not the model|somebody altered the tag"):
        office.promote(1, None)
    assert office.log.read() == []


def test_an_alias_that_was_set_to_a_withdrawn_model_is_not_adopted_and_a_rollback_ends_it(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()
    office.registry.set_alias("champion", 2)

    with pytest.raises(PromotionError, match=r"a model that was withdrawn: .*`qatflow rollback` brings back version 1"):
        champion(office.registry, office.log)
    assert office.state() == (2, None)
    assert office.rollback().version == 1
    assert champion(office.registry, office.log) == 1
    assert list(withdrawn(office.log.read())) == [office.registry.version(2).sha256]


def test_an_alias_that_points_nowhere_is_named_and_a_promotion_by_hand_ends_it(office: Office):
    office.promote(1, None)
    office.registry.set_alias("champion", 2)
    del office.registry.versions[2]

    with pytest.raises(PromotionError, match=r"points at version 2, which cannot be champion: digits has no version 2"):
        champion(office.registry, office.log)
    with pytest.raises(PromotionError, match="cannot be champion"):
        office.promote(3, 2, by_hand=False)
    office.promote(3, pointed_at(office.registry, office.log))
    assert office.state() == (3, 1)
    assert office.rollback().version == 1


def test_a_machine_may_not_promote_what_was_withdrawn(office: Office):
    office.promote(1, None)
    office.promote(2, 1)
    office.rollback()

    with pytest.raises(PromotionError, match=r"Version 2 of digits was withdrawn: eve@host rolled it back \(flaky\)"):
        office.promote(2, 1, by_hand=False)
    assert office.state() == (1, None)


def test_a_version_that_is_deleted_while_it_is_promoted_blocks_nothing(office: Office, monkeypatch: pytest.MonkeyPatch):
    office.promote(1, None)
    claim = office.registry.claim

    def and_delete(seq: int, line: str) -> bool:
        office.registry.versions.pop(2, None)
        return claim(seq, line)

    monkeypatch.setattr(office.registry, "claim", and_delete)
    with pytest.raises(PromotionError, match=r"deleted while it was made champion; `qatflow rollback`"):
        office.promote(2, 1)

    assert champion(office.registry, office.log) == 1
    office.promote(3, 1)
    assert office.rollback().version == 1


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
