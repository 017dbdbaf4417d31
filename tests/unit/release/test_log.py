"""The promotion log: appended, chained, and honest about damage."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from qatflow.errors import PromotionError
from qatflow.release.log import Change, PromotionLog


def change(version: int, from_version: int | None = None) -> Change:
    return Change("promote", version, from_version, f"{version:064x}", "ada@host", "nightly", {"note": "ä"})


def append(log: PromotionLog, made: Change) -> None:
    log.write(log.draft(made, log.read()))


@pytest.fixture
def log(tmp_path: Path) -> PromotionLog:
    log = PromotionLog(tmp_path, "digits")
    with log.locked():
        append(log, change(1))
        append(log, change(2, 1))
        append(log, change(3, 2))
    return log


def lines(log: PromotionLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def test_entries_come_back_as_they_were_written(log: PromotionLog):
    first, second, third = log.read()

    assert (third.seq, third.action, third.version, third.from_version) == (3, "promote", 3, 2)
    assert (third.who, third.why, third.gates) == ("ada@host", "nightly", {"note": "ä"})
    assert [first.previous_sha256, second.previous_sha256, third.previous_sha256] == ["", first.sha256, second.sha256]
    assert datetime.fromisoformat(third.when).utcoffset().total_seconds() == 0


def test_it_lies_under_the_project_with_one_json_line_each(log: PromotionLog, tmp_path: Path):
    assert log.path == tmp_path / ".qatflow" / "promotions" / "digits.jsonl"
    assert [json.loads(line)["seq"] for line in lines(log)] == [1, 2, 3]


def test_an_empty_project_has_no_entries(tmp_path: Path):
    assert PromotionLog(tmp_path, "digits").read() == []


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_torn_last_line_does_not_count_and_is_cut_away(log: PromotionLog, cut: int):
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-cut])

    assert [entry.seq for entry in log.read()] == [1, 2]
    with log.locked():
        append(log, change(4, 2))
    assert [(entry.seq, entry.version) for entry in log.read()] == [(1, 1), (2, 2), (3, 4)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_altered_line_is_named(log: PromotionLog, number: int):
    altered = lines(log)
    altered[number - 1] = altered[number - 1].replace(b"nightly", b"Nightly")
    log.path.write_bytes(b"".join(altered))

    with pytest.raises(PromotionError, match=rf"digits\.jsonl line {number} was altered"):
        log.read()


def test_an_altered_line_with_a_fitting_digest_breaks_the_chain(log: PromotionLog, tmp_path: Path):
    other = PromotionLog(tmp_path / "other", "digits")
    with other.locked():
        append(other, change(1))
        append(other, change(9, 1))
    log.path.write_bytes(lines(log)[0] + lines(other)[1] + lines(log)[2])

    with pytest.raises(PromotionError, match="before line 2 was altered or removed"):
        log.read()


@pytest.mark.parametrize("number", [1, 2])
def test_a_removed_line_is_noticed(log: PromotionLog, number: int):
    kept = lines(log)
    del kept[number - 1]
    log.path.write_bytes(b"".join(kept))

    with pytest.raises(PromotionError, match=rf"before line {number} was altered or removed"):
        log.read()


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff\xfe", b'{"seq": NaN}'])
def test_a_line_that_is_no_entry_is_named(log: PromotionLog, line: bytes):
    log.path.write_bytes(log.path.read_bytes() + line + b"\n")

    with pytest.raises(PromotionError, match="line 4 was altered"):
        log.read()


def test_a_failed_append_leaves_the_log_as_it_was(log: PromotionLog, monkeypatch: pytest.MonkeyPatch):
    before = log.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with log.locked(), pytest.raises(OSError, match="No space left"):
        append(log, change(4, 3))

    assert log.path.read_bytes() == before


def test_what_was_published_is_remembered(log: PromotionLog):
    assert log.published() == ""

    log.set_published(log.read()[-1])

    assert log.published() == log.read()[-1].sha256
