"""A spool: segments, what a crash leaves, damage, retention, one writer and many readers."""

from __future__ import annotations

import logging
import os
import shutil
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatflow.errors import OffsetGoneError, OtherSchemaError, StreamError
from qatflow.online.streams import base, spool_reader
from qatflow.online.streams.frames import FRAME_BYTES, HEAD_BYTES, MAGIC, pack_frames, pack_head
from qatflow.online.streams.segments import END, End, read_end, segments
from qatflow.online.streams.spool import Spool
from qatflow.online.streams.spool_writer import SpoolOptions

SMALL = SpoolOptions(segment_bytes=200)
TIGHT = SpoolOptions(segment_bytes=200, retain_bytes=1000)


def filled(folder: Path, count: int = 20, options: SpoolOptions = SMALL) -> list[bytes]:
    payloads = [f"payload {number}".encode() * 3 for number in range(1, count + 1)]
    with closing(Spool(folder, options)) as spool:
        for payload in payloads:
            spool.append([payload])
    return payloads


def payloads_of(folder: Path, after: str | None = None) -> list[bytes]:
    with closing(Spool(folder)) as spool:
        return [record.payload for record in spool.read(after, 1000)]


def last_segment(folder: Path) -> Path:
    return segments(folder)[-1].path


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


def test_segments_follow_each_other_and_none_is_lost(tmp_path: Path):
    payloads = filled(tmp_path)

    assert len(segments(tmp_path)) >= 5
    assert payloads_of(tmp_path) == payloads
    assert payloads_of(tmp_path, "7") == payloads[7:]


def test_equal_payloads_make_equal_bytes(tmp_path: Path):
    filled(tmp_path / "a")
    filled(tmp_path / "b")

    for one, other in zip(segments(tmp_path / "a"), segments(tmp_path / "b"), strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_reading_makes_and_changes_nothing(tmp_path: Path):
    with closing(Spool(tmp_path / "none")) as spool:
        assert (spool.read(None, 5), spool.end(), spool.lag(None)) == ([], None, 0)
    assert not (tmp_path / "none").exists()
    filled(tmp_path / "some")
    before = {path: path.read_bytes() for path in (tmp_path / "some").iterdir()}
    payloads_of(tmp_path / "some")
    assert {path: path.read_bytes() for path in (tmp_path / "some").iterdir()} == before


def test_a_reader_holds_a_bounded_part_whatever_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    payloads = filled(tmp_path, options=SpoolOptions())
    monkeypatch.setattr(spool_reader, "READ_BYTES", 100)
    monkeypatch.setattr(spool_reader, "CHUNK_BYTES", 64)

    with closing(Spool(tmp_path)) as spool:
        found: list[base.Record] = []
        while records := spool.read(found[-1].offset if found else None, 1000):
            assert sum(len(record.payload) for record in records[:-1]) < 100
            found += records
    assert [record.payload for record in found] == payloads


@pytest.mark.parametrize("cut", range(1, 56, 6))
def test_a_torn_tail_is_never_read_and_is_cut_by_the_next_writer(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
):
    payloads = filled(tmp_path)
    torn = pack_frames(21, [b"never acknowledged, and not whole"])[:cut]
    with last_segment(tmp_path).open("ab") as file:
        file.write(torn)

    assert payloads_of(tmp_path) == payloads
    with closing(Spool(tmp_path, SMALL)) as spool, caplog.at_level(logging.WARNING):
        assert spool.append([b"next"]) == ["21"]
    assert "unfinished write after record 20 was cut off" in caplog.text
    assert payloads_of(tmp_path) == [*payloads, b"next"]


def test_whole_records_that_were_written_and_not_acknowledged_may_stay(tmp_path: Path):
    payloads = filled(tmp_path)
    with last_segment(tmp_path).open("ab") as file:
        file.write(pack_frames(21, [b"synced, and then killed"]))

    assert payloads_of(tmp_path) == payloads  # no reader sees what a loss of power could still take
    with closing(Spool(tmp_path, SMALL)) as spool:
        spool.append([b"next"])
    assert payloads_of(tmp_path) == [*payloads, b"synced, and then killed", b"next"]


@pytest.mark.parametrize("how", ["removed", "garbage", "of before"])
def test_the_mark_of_the_end_can_be_lost(tmp_path: Path, how: str):
    filled(tmp_path, 3, SpoolOptions())
    before = (tmp_path / END).read_bytes()
    with closing(Spool(tmp_path)) as spool:
        spool.append([b"more"])
    if how == "removed":
        (tmp_path / END).unlink()
    else:
        (tmp_path / END).write_bytes(before if how == "of before" else bytes(36))

    with closing(Spool(tmp_path)) as spool:
        if how == "of before":  # a loss of power; a reader that has had record 4 is not told that it never was
            assert spool.read("4", 5) == []
        else:
            assert spool.end() == "4"
        assert spool.append([b"x"]) == ["5"]
    assert payloads_of(tmp_path)[3:] == [b"more", b"x"]


@pytest.mark.parametrize("part", ["frame", "length", "number", "payload"])
@pytest.mark.parametrize("place", ["first segment", "last segment"])
def test_damage_is_named_and_can_be_left_out(tmp_path: Path, part: str, place: str):
    payloads = filled(tmp_path, 11)
    segment = segments(tmp_path)[0 if place == "first segment" else -1]
    sizes = [FRAME_BYTES + len(payload) for payload in payloads[segment.first - 1 :]]
    start = HEAD_BYTES + sizes[0]
    flip(segment.path, start + {"frame": 0, "length": 5, "number": 9, "payload": FRAME_BYTES + 3}[part])
    bad = segment.first + 1

    with closing(Spool(tmp_path)) as spool:
        assert [record.payload for record in spool.read(None, bad - 1)] == payloads[: bad - 1]
        with pytest.raises(
            StreamError, match=rf"{segment.path} is damaged at byte {start}, in record {bad}: "
        ) as error:
            spool.read(str(bad - 1), 5)
        assert f"read on after record {bad}" in str(error.value)
        assert [record.payload for record in spool.read(str(bad), 100)] == payloads[bad:]


def test_damage_in_the_middle_of_a_read_is_not_skipped(tmp_path: Path):
    filled(tmp_path, 9)
    flip(segments(tmp_path)[1].path, HEAD_BYTES + FRAME_BYTES)

    with closing(Spool(tmp_path)) as spool, pytest.raises(StreamError, match="payload was altered"):
        spool.read(None, 100)


@pytest.mark.parametrize("mark", ["there", "lost"])
def test_a_writer_goes_on_behind_damage_and_cuts_nothing(tmp_path: Path, mark: str, caplog: pytest.LogCaptureFixture):
    payloads = filled(tmp_path, 6, SpoolOptions())
    flip(last_segment(tmp_path), HEAD_BYTES + FRAME_BYTES)  # the first record
    size = last_segment(tmp_path).stat().st_size
    if mark == "lost":
        (tmp_path / END).unlink()

    with closing(Spool(tmp_path)) as spool, caplog.at_level(logging.ERROR):
        assert spool.append([b"next"]) == ["7"]
    assert "is damaged" in caplog.text
    assert segments(tmp_path)[0].path.stat().st_size == size
    assert payloads_of(tmp_path, "1") == [*payloads[1:], b"next"]


def test_a_segment_that_ends_early_or_is_missing_is_named(tmp_path: Path):
    filled(tmp_path, 12)
    first, second, third = segments(tmp_path)[:3]
    os.truncate(first.path, first.path.stat().st_size - 1)
    with closing(Spool(tmp_path)) as spool, pytest.raises(StreamError, match=rf"{first.path} .*the file ends there"):
        spool.read(None, 100)
    second.path.unlink()
    with closing(Spool(tmp_path)) as spool:
        with pytest.raises(StreamError, match=rf"read on after record {third.first - 1}"):
            spool.read(str(second.first), 100)
        assert spool.read(str(third.first - 1), 1)[0].offset == str(third.first)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 9, b"x" * 100, MAGIC])
def test_a_file_that_is_no_segment_is_named(tmp_path: Path, content: bytes):
    filled(tmp_path)
    segments(tmp_path)[0].path.write_bytes(content)

    with closing(Spool(tmp_path)) as spool, pytest.raises(OtherSchemaError, match="no segment of a spool"):
        spool.read(None, 1)


def test_a_spool_of_another_version_is_named_to_reader_and_writer(tmp_path: Path):
    filled(tmp_path, 2, SpoolOptions())
    head = bytearray(pack_head(1))
    head[8] = 9
    head[20:] = zlib.crc32(head[:20]).to_bytes(4, "little")
    with last_segment(tmp_path).open("r+b") as file:
        file.write(head)

    with closing(Spool(tmp_path)) as spool:
        for use in (lambda: spool.read(None, 1), lambda: spool.append([b"x"])):
            with pytest.raises(OtherSchemaError, match="format version 9; this version of QATFlow reads 1"):
                use()


def test_two_writers_refuse_each_other(tmp_path: Path):
    with closing(Spool(tmp_path / "s")) as one, closing(Spool(tmp_path / "s")) as other:
        one.append([b"x"])
        with pytest.raises(StreamError, match=rf"being written by another writer: process {os.getpid()} on "):
            other.append([b"y"])
        one.close()
        assert other.append([b"y"]) == ["2"]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("x")
    with closing(Spool(tmp_path)) as spool, pytest.raises(StreamError, match=r"no spool: it holds thesis\.tex"):
        spool.append([b"x"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with closing(Spool(tmp_path / "thesis.tex")) as spool, pytest.raises(StreamError, match="file"):
        spool.append([b"x"])


def test_committed_segments_go_when_there_are_too_many_bytes(tmp_path: Path):
    filled(tmp_path, 12, TIGHT)
    with closing(Spool(tmp_path, TIGHT)) as spool:
        spool.commit("12")
        for number in range(40):
            spool.append([b"new" * 10])
            spool.commit(str(13 + number))
            assert sum(segment.path.stat().st_size for segment in segments(tmp_path)) <= TIGHT.retain_bytes
        with pytest.raises(OffsetGoneError, match=rf"oldest record kept is {segments(tmp_path)[0].first}\."):
            spool.read("1", 5)
        oldest = spool.read(None, 1)[0]
        assert spool.lag(None) == 52 - int(oldest.offset) + 1
        assert spool.lag("1") == spool.lag(None)


def test_committed_segments_go_when_there_are_too_many_of_them(tmp_path: Path):
    options = SpoolOptions(segment_bytes=200, retain_segments=3)
    filled(tmp_path, 30, options)
    assert len(segments(tmp_path)) > 3  # nobody has committed

    with closing(Spool(tmp_path, options)) as spool:
        spool.commit("30")
        spool.append([b"x"])
    assert len(segments(tmp_path)) == 3


def _append_forever(spool: Spool) -> None:
    while True:
        spool.append([b"x" * 30])


def test_a_full_spool_refuses_writers_until_its_reader_has_caught_up(tmp_path: Path):
    with closing(Spool(tmp_path, TIGHT)) as spool:
        with pytest.raises(
            StreamError, match=r"is full: .* not committed .* append again when its reader has caught up"
        ):
            _append_forever(spool)
        end = spool.end()
        assert end is not None
        assert len(spool.read(None, 1000)) == int(end)
        spool.commit(end)
        assert spool.append([b"x" * 30]) == [str(int(end) + 1)]


def test_uncommitted_segments_go_only_where_that_was_asked_for(tmp_path: Path):
    options = SpoolOptions(segment_bytes=200, retain_bytes=1000, drop_uncommitted=True)
    filled(tmp_path, 100, options)

    with closing(Spool(tmp_path)) as spool:
        assert int(spool.read(None, 1)[0].offset) > 50
        with pytest.raises(OffsetGoneError):
            spool.read("3", 1)


def test_numbers_go_on_though_all_segments_were_removed(tmp_path: Path):
    filled(tmp_path, 5)
    for segment in segments(tmp_path):
        segment.path.unlink()

    with closing(Spool(tmp_path)) as spool:
        assert spool.append([b"x"]) == ["6"]
        with pytest.raises(OffsetGoneError, match="oldest record kept is 6"):
            spool.read("3", 1)


def test_a_reader_sees_only_what_is_durable(tmp_path: Path):
    filled(tmp_path, 3, SpoolOptions())
    end = read_end(tmp_path)

    assert end == End(3, 1, last_segment(tmp_path).stat().st_size)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.lists(st.binary(max_size=90), min_size=1, max_size=4), min_size=1, max_size=8),
    cut=st.integers(1, 300),
    at_once=st.integers(1, 5),
)
def test_any_cut_leaves_a_prefix_of_whole_records(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[bytes]], cut: int, at_once: int
):
    folder = tmp_path_factory.mktemp("spool")
    payloads = [payload for group in groups for payload in group]
    with closing(Spool(folder, SpoolOptions(segment_bytes=150))) as spool:
        for group in groups:
            spool.append(group)
    (folder / END).unlink()  # as after a loss of power, which takes the end of the last file with it
    segment = segments(folder)[-1]
    os.truncate(segment.path, max(HEAD_BYTES, segment.path.stat().st_size - cut))

    with closing(Spool(folder, SpoolOptions(segment_bytes=150))) as spool:
        found: list[bytes] = []
        while records := spool.read(str(len(found)) if found else None, at_once):
            found += [record.payload for record in records]
        assert found == payloads[: len(found)]
        assert len(found) >= segment.first - 1
        assert spool.append([b"next"]) == [str(len(found) + 1)]
        assert [record.payload for record in spool.read(None, 1000)] == [*found, b"next"]


HARMS: dict[str, Callable[[Path], object]] = {
    "folder deleted": shutil.rmtree,
    "folder deleted and made anew": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "folder renamed": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "segment deleted": lambda folder: last_segment(folder).unlink(),
    "segment replaced by a copy": lambda folder: shutil.copy(last_segment(folder), folder / "copy.tmp").replace(
        last_segment(folder)
    ),
    "lock deleted": lambda folder: (folder / "writer.lock").unlink(),
    "end deleted": lambda folder: (folder / END).unlink(),
}


@pytest.mark.parametrize("harm", HARMS)
def test_an_append_to_what_is_no_longer_there_fails_and_the_next_is_found(tmp_path: Path, harm: str):
    folder = tmp_path / "spool"
    with closing(Spool(folder)) as spool:
        spool.append([b"one"])
        HARMS[harm](folder)

        with pytest.raises(StreamError, match="deleted or replaced"):
            spool.append([b"two"])
        offset = spool.append([b"three"])

    with closing(Spool(folder)) as reader:
        assert [record.payload for record in reader.read(str(int(offset[0]) - 1), 9)] == [b"three"]
    assert int(offset[0]) > 1


def test_a_reader_is_told_of_what_was_deleted_under_a_writer(tmp_path: Path):
    folder = tmp_path / "spool"
    with closing(Spool(folder)) as spool, closing(Spool(folder)) as reader:
        spool.append([b"one", b"two"])
        shutil.rmtree(folder)
        with pytest.raises(StreamError):
            spool.append([b"three"])
        spool.append([b"four"])

        with pytest.raises(OffsetGoneError):
            reader.read("1", 9)
