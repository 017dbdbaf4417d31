"""Sign-off: what waits, who answers, and when an answer comes too late."""

from dataclasses import replace
from pathlib import Path

import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.errors import PromotionError, TrackingError
from qatflow.release.approval import approve, hold, reject
from qatflow.release.log import PromotionLog
from qatflow.release.past import pending, succession, withdrawn
from qatflow.release.promote import champion, rollback
from qatflow.release.receipt import Receipt
from qatflow.release.release import Desk, release_candidates
from tests.unit.release.fabricate import PARAMS, candidate, flatbuffer, inputs
from tests.unit.release.test_promote import Office

SMALLER, INT8 = candidate(), candidate("ptq_w8a8", flatbuffer("int8", padding=600))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def held(office: Office, version: int, expected: int | None):
    gates = {"note": "judged", "approved": {"inputs": "key", "receipt": {"decision": "promoted"}}}
    return hold(office.registry, office.log, version, expected, who="flow@host", why="nightly", gates=gates)


def approved(office: Office, version: int | None = None):
    return approve(office.registry, office.log, version, who="ada@host", why="looks right")


def rejected(office: Office, version: int | None = None):
    return reject(office.registry, office.log, version, who="eve@host", why="too slow")


def test_what_waits_has_an_alias_of_its_own_and_the_champion_stays(office: Office):
    office.promote(1, None)

    entry = held(office, 2, 1)

    assert office.registry.aliases() == {"champion": 1, "pending": 2}
    assert (entry.action, entry.version, entry.from_version, entry.who) == ("hold", 2, 1, "flow@host")
    assert champion(office.registry, office.log) == 1
    assert pending(office.log.read()) == entry


@pytest.mark.parametrize("version", [None, 2])
def test_an_approval_promotes_it_and_says_who_and_why_and_what_it_answers(office: Office, version: int | None):
    office.promote(1, None)
    held(office, 2, 1)

    entry = approved(office, version)

    assert office.registry.aliases() == {"champion": 2, "previous": 1}
    assert (entry.action, entry.version, entry.from_version) == ("promote", 2, 1)
    assert (entry.who, entry.why) == ("ada@host", "looks right")
    assert entry.gates == {
        "inputs": "key",
        "receipt": {"decision": "promoted"},
        "approves": 2,
        "held_by": "flow@host",
    }
    assert pending(office.log.read()) is None
    assert rollback(office.registry, office.log, who="x", why="y").version == 1


def test_the_first_champion_can_wait_too(office: Office):
    held(office, 1, None)

    assert office.registry.aliases() == {"pending": 1}
    assert champion(office.registry, office.log) is None
    approved(office)
    assert office.registry.aliases() == {"champion": 1}


def test_a_rejection_leaves_the_champion_and_withdraws_the_bytes(office: Office):
    office.promote(1, None)
    held(office, 2, 1)

    entry = rejected(office)

    assert office.registry.aliases() == {"champion": 1}
    assert (entry.action, entry.version, entry.from_version, entry.why) == ("reject", 2, 1, "too slow")
    reason = "eve@host rejected it (too slow); `qatflow promote` can bring it back"
    assert withdrawn(office.log.read()) == {office.registry.version(2).sha256: reason}
    with pytest.raises(PromotionError, match="Nothing of digits waits"):
        approved(office)
    office.promote(2, 1)
    assert withdrawn(office.log.read()) == {}


@pytest.mark.parametrize("answer", [approved, rejected])
def test_with_nothing_or_another_waiting_it_says_so(office: Office, answer):
    office.promote(1, None)
    with pytest.raises(PromotionError, match="Nothing of digits waits for approval"):
        answer(office)
    held(office, 2, 1)

    with pytest.raises(PromotionError, match="Version 3 of digits does not wait for approval; version 2 does"):
        answer(office, 3)

    assert office.registry.aliases() == {"champion": 1, "pending": 2}


def promoted_by_another(office: Office) -> None:
    office.promote(3, 2)


def rolled_back(office: Office) -> None:
    office.rollback()


def moved_by_hand(office: Office) -> None:
    office.registry.set_alias("champion", 4)


@pytest.mark.parametrize(("change", "now"), [(promoted_by_another, 3), (rolled_back, 1), (moved_by_hand, 4)])
def test_an_approval_against_a_former_champion_is_refused(office: Office, change, now: int):
    office.promote(1, None)
    office.promote(2, 1)
    held(office, 4 if now == 3 else 3, 2)
    before = office.registry.aliases()["pending"]
    change(office)

    with pytest.raises(PromotionError, match=rf"judged against version 2, but the champion is version {now} now"):
        approved(office)

    assert office.registry.aliases()["champion"] == now
    assert office.registry.aliases()["pending"] == before
    rejected(office)
    assert "pending" not in office.registry.aliases()


def test_an_approval_is_for_the_bytes_that_were_judged(office: Office):
    office.promote(1, None)
    held(office, 2, 1)
    office.registry.versions[2] = office.registry.versions[3]

    with pytest.raises(PromotionError, match="is not the model that was judged"):
        approved(office)
    assert champion(office.registry, office.log) == 1


def test_a_second_one_takes_the_place_of_the_first(office: Office):
    office.promote(1, None)
    held(office, 2, 1)
    held(office, 3, 1)

    assert office.registry.aliases() == {"champion": 1, "pending": 3}
    with pytest.raises(PromotionError, match="version 3 does"):
        approved(office, 2)


def test_promoting_what_waits_by_another_way_ends_its_waiting(office: Office):
    office.promote(1, None)
    held(office, 2, 1)
    office.promote(2, 1)

    assert office.registry.aliases() == {"champion": 2, "previous": 1}


@pytest.mark.parametrize("wrong", [1, 9])
def test_what_cannot_be_promoted_cannot_wait(office: Office, wrong: int):
    office.promote(1, None)

    with pytest.raises(PromotionError):
        held(office, wrong, 1)
    with pytest.raises(PromotionError, match="is version 1, not version 2"):
        held(office, 3, 2)
    assert len(office.log.read()) == 1


@pytest.mark.parametrize("step", [held, rejected])
def test_a_registry_that_fails_is_brought_up_by_the_next_call(office: Office, monkeypatch, step):
    office.promote(1, None)
    if step is rejected:
        held(office, 2, 1)
    expected = {held: {"champion": 1, "pending": 2}, rejected: {"champion": 1}}[step]

    def broken(*_: object) -> None:
        raise TrackingError("the server is gone")

    monkeypatch.setattr(office.registry, "set_alias", broken)
    monkeypatch.setattr(office.registry, "delete_alias", broken)
    with pytest.raises(TrackingError):
        step(office, 2, 1) if step is held else step(office)
    monkeypatch.undo()

    assert champion(office.registry, office.log) == 1
    assert office.registry.aliases() == expected


def test_a_first_one_that_waits_is_brought_up_too(office: Office, monkeypatch):
    monkeypatch.setattr(office.registry, "set_alias", lambda *_: (_ for _ in ()).throw(TrackingError("gone")))
    with pytest.raises(TrackingError):
        held(office, 1, None)
    monkeypatch.undo()

    assert champion(office.registry, office.log) is None
    assert office.registry.aliases() == {"pending": 1}


def test_the_succession_knows_champions_only(office: Office):
    office.promote(1, None)
    held(office, 2, 1)
    rejected(office)
    office.promote(3, 1)
    held(office, 4, 3)

    assert [link.version for link in succession(office.log.read())] == [1, 3]


class TestRelease:
    """`release.require_approval` from candidates to receipt."""

    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        params = PARAMS.model_copy(update={"require_approval": True})
        return Desk(params, InMemoryRegistry("digits"), PromotionLog(tmp_path, "digits"), "nightly")

    def release(self, desk: Desk, folder: Path, *candidates) -> dict:
        out = folder / f"out{len(list(folder.glob('out*')))}"
        out.mkdir()
        receipt = release_candidates(desk, inputs(*candidates), out)
        assert Receipt.read(out) == receipt
        assert (out / "bundle").exists() == (receipt.champion is not None)
        return receipt

    def test_a_winner_waits_and_the_receipt_says_what_to_do(self, desk: Desk, tmp_path: Path):
        receipt = self.release(desk, tmp_path, INT8)

        assert (receipt.decision, receipt.champion, receipt.version) == ("pending", None, None)
        assert (receipt.pending.version, receipt.pending.sha256) == (1, INT8.sha256)
        assert "ptq_w8a8 waits for approval as version 1: `qatflow promote --approve 1 --why" in receipt.reasons[0]
        assert desk.registry.aliases() == {"pending": 1}

    def test_a_repeat_changes_nothing_before_and_after_the_approval(self, desk: Desk, tmp_path: Path):
        first = self.release(desk, tmp_path, INT8)
        assert self.release(desk, tmp_path, INT8) == first
        approve(desk.registry, desk.log, None, who="ada", why="ok")

        receipt = self.release(desk, tmp_path, INT8)

        assert (receipt.decision, receipt.version) == ("promoted", 1)
        assert self.release(desk, tmp_path, INT8) == receipt
        assert [entry.action for entry in desk.log.read()] == ["hold", "promote"]

    def test_the_champion_stays_deployed_while_a_better_one_waits(self, desk: Desk, tmp_path: Path):
        self.release(desk, tmp_path, INT8)
        approve(desk.registry, desk.log, None, who="ada", why="ok")

        receipt = self.release(desk, tmp_path, SMALLER)

        assert (receipt.decision, receipt.version, receipt.model_sha256) == ("pending", 1, INT8.sha256)
        assert receipt.pending.version == 2
        assert desk.registry.aliases() == {"champion": 1, "pending": 2}

    def test_what_was_rejected_does_not_ask_again(self, desk: Desk, tmp_path: Path):
        self.release(desk, tmp_path, INT8)
        approve(desk.registry, desk.log, None, who="ada", why="ok")
        self.release(desk, tmp_path, SMALLER)
        reject(desk.registry, desk.log, None, who="eve", why="not yet")

        receipt = self.release(desk, tmp_path, SMALLER)

        assert (receipt.decision, receipt.version) == ("kept", 1)
        assert "eve rejected it (not yet)" in receipt.reasons[1]

    def test_when_the_champion_changed_it_is_judged_and_held_anew(self, desk: Desk, tmp_path: Path):
        self.release(desk, tmp_path, INT8)
        approve(desk.registry, desk.log, None, who="ada", why="ok")
        self.release(desk, tmp_path, SMALLER)
        other = desk.registry.register(f"memory:/{INT8.sha256}") + 5
        desk.registry.versions[other] = f"memory:/{INT8.sha256}"
        desk.registry.set_alias("champion", other)
        with pytest.raises(PromotionError, match=f"the champion is version {other} now"):
            approve(desk.registry, desk.log, None, who="ada", why="ok")

        self.release(desk, tmp_path, SMALLER)

        assert approve(desk.registry, desk.log, None, who="ada", why="ok").from_version == other

    def test_without_the_parameter_the_same_inputs_promote_at_once(self, desk: Desk, tmp_path: Path):
        self.release(desk, tmp_path, INT8)

        receipt = self.release(replace(desk, params=PARAMS), tmp_path, INT8)

        assert receipt.decision == "promoted"
        assert desk.registry.aliases() == {"champion": 1}
