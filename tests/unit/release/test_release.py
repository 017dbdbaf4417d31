"""The release from candidates to receipt, on the registry in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qatflow.adapters.in_memory import InMemoryRegistry
from qatflow.errors import ParamsError, PromotionError
from qatflow.evaluation.answers import Answers
from qatflow.release.base import Candidate
from qatflow.release.bundle import load_bundle
from qatflow.release.candidates import log_candidate
from qatflow.release.log import PromotionLog
from qatflow.release.promote import promote, rollback
from qatflow.release.receipt import Receipt
from qatflow.release.release import Desk, release_candidates
from tests.unit.release.fabricate import PARAMS, candidate, changed, flatbuffer, inputs

INT8, INT4 = candidate(), candidate("qat_w4a8", flatbuffer("int4"), trained=True)


def wrong_more(answers: Answers, count: int) -> Answers:
    """Make so many more answers wrong, or right where it is negative."""
    merit = answers.merit.copy()
    merit[np.flatnonzero(merit == (count > 0))[: abs(count)]] = float(count < 0)
    return replace(answers, merit=merit)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(PARAMS, InMemoryRegistry("digits"), PromotionLog(tmp_path, "digits"), "nightly")


def release(desk: Desk, folder: Path, *candidates: Candidate) -> Receipt:
    out = folder / f"out{len(list(folder.glob('out*')))}"
    out.mkdir()
    receipt = release_candidates(desk, inputs(*candidates), out)
    assert Receipt.read(out) == receipt
    if receipt.champion:
        assert load_bundle(out / "bundle").sha256 == receipt.model_sha256
    return receipt


def test_the_first_winner_is_promoted_and_its_bundle_lies_beside_the_receipt(desk: Desk, tmp_path: Path):
    receipt = release(desk, tmp_path, INT8, INT4)

    assert (receipt.decision, receipt.variant, receipt.version) == ("promoted", "qat_w4a8", 1)
    assert receipt.to_dict()["champion"] == {
        "version": 1,
        "variant": "qat_w4a8",
        "sha256": INT4.sha256,
        "score": INT4.score,
        "size_bytes": INT4.size_bytes,
        "latency_us": 12.5,
    }
    assert receipt.reasons[0] == "promoted qat_w4a8 as version 1, the first champion"
    assert receipt.reasons[2].startswith(
        f"ptq_w8a8: passes all gates, behind with score {INT8.score:.4f}, {INT8.answers['val'].score:.4f} on validation"
    )
    assert set(receipt.gates) == {"ptq_w8a8", "qat_w4a8"}
    assert {row.gate for row in receipt.gates["qat_w4a8"]} == {"withdrawn", *PARAMS.gates}
    assert desk.registry.aliases() == {"champion": 1}


def test_the_log_says_who_when_why_and_on_what_grounds(desk: Desk, tmp_path: Path):
    receipt = release(desk, tmp_path, INT8)

    (entry,) = desk.log.read()
    assert (entry.action, entry.version, entry.why, entry.model_sha256) == ("promote", 1, "nightly", INT8.sha256)
    assert entry.gates["receipt"] == receipt.to_dict()


def test_a_repeat_does_nothing_and_gives_the_same_receipt(desk: Desk, tmp_path: Path):
    receipts = [release(desk, tmp_path, INT8, INT4) for _ in range(3)]

    assert receipts[0] == receipts[1] == receipts[2]
    assert len(desk.log.read()) == 1
    assert list(desk.registry.versions) == [1]
    assert (tmp_path / "out0" / "receipt.json").read_bytes() == (tmp_path / "out2" / "receipt.json").read_bytes()


def test_a_receipt_that_another_version_of_the_tool_worded_is_written_anew(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, INT8)
    foreign = {**desk.log.read()[0].gates, "receipt": {"decision": "promoted", "surprise": 1}}
    other = replace(desk, registry=InMemoryRegistry("digits"), log=PromotionLog(tmp_path / "other", "digits"))
    number = other.registry.register(log_candidate(other.registry, INT8, tmp_path / "out0" / "bundle"))
    promote(other.registry, other.log, number, None, who="eve@host", why="other", gates=foreign, by_hand=False)

    receipt = release(other, tmp_path, INT8)

    assert (receipt.decision, receipt.version) == ("kept", number)


def test_every_candidate_is_stored_but_only_the_winner_registered(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, INT8, INT4)

    assert sorted(desk.registry.models) == sorted(f"memory:/{one.sha256}" for one in (INT8, INT4))
    assert list(desk.registry.versions.values()) == [f"memory:/{INT4.sha256}"]


def test_the_same_winner_under_other_thresholds_is_kept_and_judged_anew(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, INT8)
    looser = replace(desk, params=desk.params.model_copy(update={"gates": {"size": {"max_ratio": 9.0}}}))

    receipt = release(looser, tmp_path, INT8)

    assert receipt.decision == "kept"
    assert receipt.reasons[0] == "kept version 1: it is the winner itself"
    assert [(row.gate, row.threshold) for row in receipt.gates["ptq_w8a8"]] == [
        ("withdrawn", 0.0), ("golden", 0.0), ("size", 9.0)
    ]  # fmt: skip
    assert len(desk.log.read()) == 1


def test_an_insignificant_change_keeps_the_champion(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, INT8)
    padded = changed(candidate("ptq_w8a8", flatbuffer("int8", padding=4)))

    receipt = release(desk, tmp_path, padded)

    assert (receipt.decision, receipt.version) == ("kept", 1)
    assert receipt.reasons[0] == "kept version 1: no candidate passed its gates"
    assert receipt.champion.sha256 == INT8.sha256
    assert desk.registry.aliases() == {"champion": 1}


def test_a_smaller_model_that_is_as_good_replaces_the_champion(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, candidate("ptq_w8a8", flatbuffer("int8", padding=600)))

    receipt = release(desk, tmp_path, INT8)

    assert receipt.reasons[0] == "promoted ptq_w8a8 as version 2, in place of version 1"
    assert desk.registry.aliases() == {"champion": 2, "previous": 1}


def test_a_champion_that_was_as_good_and_smaller_is_not_what_the_next_is_held_against(desk: Desk, tmp_path: Path):
    """The log notes the best of the line: the first, until one is surely better than it."""
    first = candidate("ptq_w8a8", flatbuffer("int8", padding=600))
    release(desk, tmp_path, first)
    release(desk, tmp_path, INT8)
    noted = [entry.gates["best"] for entry in desk.log.read()]
    assert noted == [{"version": 1, "sha256": first.sha256}] * 2

    worse = replace(INT4, answers={**INT4.answers, "test": wrong_more(INT8.answers["test"], 4)}, trained=False)
    receipt = release(desk, tmp_path, worse)

    assert receipt.decision == "kept"
    assert "not shown to be as good as champion version 2" in receipt.reasons[1]
    lucky = replace(INT4, answers={**INT4.answers, "test": wrong_more(INT8.answers["test"], -7)}, trained=False)
    release(desk, tmp_path, lucky)
    assert desk.log.read()[-1].gates["best"] == {"version": 3, "sha256": INT4.sha256}


def test_a_best_that_is_gone_from_the_registry_is_said_to_be(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, candidate("ptq_w8a8", flatbuffer("int8", padding=600)))
    release(desk, tmp_path, INT8)
    del desk.registry.versions[1]

    receipt = release(desk, tmp_path, INT4)

    assert "version 1, the best of the champion's line, is gone from the registry" in receipt.reasons[-1]


def test_what_is_switched_off_stands_in_the_receipt(desk: Desk, tmp_path: Path):
    off = replace(desk, params=desk.params.model_copy(update={"gates": {"size": None, "golden": {"max_lsb": 0.0}}}))

    assert release(off, tmp_path, INT8).reasons[-1] == "switched off in params.yaml: size"


def test_rollback_restores_the_former_bundle_byte_for_byte(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, candidate("ptq_w8a8", flatbuffer("int8", padding=600)))
    release(desk, tmp_path, INT8)

    entry = rollback(desk.registry, desk.log, who="eve@host", why="flaky")
    restored = desk.registry.download(entry.version, tmp_path / "restored")

    former = tmp_path / "out0" / "bundle"
    assert {path.name: path.read_bytes() for path in restored.iterdir()} == {
        path.name: path.read_bytes() for path in former.iterdir()
    }


def test_what_was_rolled_back_does_not_come_back_with_the_next_run(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, candidate("ptq_w8a8", flatbuffer("int8", padding=600)))
    release(desk, tmp_path, INT8)
    rollback(desk.registry, desk.log, who="eve@host", why="flaky")

    receipt = release(desk, tmp_path, INT8)

    assert (receipt.decision, receipt.version) == ("kept", 1)
    assert "refused by withdrawn: eve@host rolled it back (flaky)" in receipt.reasons[1]


def test_while_nothing_ever_passed_there_is_no_champion_and_no_bundle(desk: Desk, tmp_path: Path):
    strict = replace(desk, params=desk.params.model_copy(update={"gates": {"size": {"max_ratio": 0.01}}}))

    receipt = release(strict, tmp_path, INT8)

    assert (receipt.decision, receipt.champion, receipt.version) == ("kept", None, None)
    assert receipt.reasons[0] == "nothing ships: no candidate passed its gates"
    assert [path.name for path in (tmp_path / "out0").iterdir()] == ["receipt.json"]


def test_a_champion_for_other_inputs_keeps_its_recorded_score(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, INT8)
    strict = replace(desk, params=desk.params.model_copy(update={"gates": {"size": {"max_ratio": 0.01}}}))
    (tmp_path / "other").mkdir()
    named = replace(inputs(candidate("ptq_w8a8", flatbuffer("int4"))), data=inputs(INT8).data)
    renamed = replace(named, data=replace(named.data, class_names=tuple("abcdefghij")))

    receipt = release_candidates(strict, renamed, tmp_path / "other")

    assert (receipt.decision, receipt.champion.score) == ("kept", INT8.score)


def test_a_promotion_in_between_is_not_overwritten(desk: Desk, tmp_path: Path):
    release(desk, tmp_path, candidate("ptq_w8a8", flatbuffer("int8", padding=600)))

    class Busy(InMemoryRegistry):
        """Somebody else promotes while this release is deciding."""

        def register(self, uri: str) -> int:
            number = super().register(uri)
            self.versions[99] = self.versions[1]
            self.set_alias("champion", 99)
            return number

    busy = Busy("digits", desk.registry.models, desk.registry.versions, desk.registry.aliases())

    with pytest.raises(PromotionError, match="is version 99, not version 1: another promotion came first"):
        release(replace(desk, registry=busy), tmp_path, INT8)
    assert busy.aliases()["champion"] == 99


def test_wrong_settings_are_noticed_before_anything_is_done(desk: Desk, tmp_path: Path):
    wrong = replace(desk, params=desk.params.model_copy(update={"gates": {"sise": {}}}))

    with pytest.raises(ParamsError, match="Unknown gate 'sise'"):
        release(wrong, tmp_path, INT8)
    assert desk.registry.models == {}
