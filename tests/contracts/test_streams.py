"""What every stream must do, whichever it is: a folder, a real Redis server, a Kafka broker where one is named."""

from __future__ import annotations

import os
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qatflow.errors import OffsetGoneError, ParamsError, StreamError
from qatflow.online.streams import STREAMS, Record, Stream, open_stream, position
from qatflow.online.streams.base import MAX_PAYLOAD_BYTES
from tests.online.redis_server import RedisServer, redis_server

Open = Callable[[], Stream]
KAFKA = os.environ.get("QATFLOW_TEST_KAFKA")
PAYLOADS = [b"", b"a", b"\x00\xff" * 100, b"QFR\n" * 3, bytes(70_000)]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=[name for name in sorted(STREAMS) if name != "kafka" or KAFKA])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which there is nothing yet."""
    if request.param == "spool":
        return f"spool:{tmp_path / 'spool'}"
    if request.param == "redis":
        return f"{request.getfixturevalue('redis').url}{uuid.uuid4().hex}"
    return f"kafka://{KAFKA}/qatflow-{uuid.uuid4().hex}"


@pytest.fixture
def stream(address: str) -> Iterator[Stream]:
    with closing(open_stream(address)) as opened:
        yield opened


@pytest.mark.skipif(KAFKA is None, reason="no Kafka broker here: name one, HOST:PORT, in QATFLOW_TEST_KAFKA")
def test_kafka_was_tested_too():
    pass


def read_all(stream: Stream, after: str | None = None, at_once: int = 3) -> list[Record]:
    found: list[Record] = []
    while records := stream.read(after, at_once):
        assert len(records) <= at_once
        found += records
        after = found[-1].offset
    return found


def test_an_empty_stream(stream: Stream):
    assert (stream.read(None, 10), stream.end(), stream.lag(None), stream.dead_letters(10)) == ([], None, 0, [])


def test_what_was_appended_is_read_in_order_with_its_checksum(stream: Stream):
    offsets = stream.append(PAYLOADS[:2]) + stream.append(PAYLOADS[2:])

    records = read_all(stream)

    assert records == [Record(o, p, zlib.crc32(p)) for o, p in zip(offsets, PAYLOADS, strict=True)]
    assert sorted(offsets, key=position) == offsets
    assert len(set(offsets)) == len(offsets)
    assert stream.end() == offsets[-1]


def test_nothing_appended_is_nothing(stream: Stream):
    assert stream.append([]) == []
    assert stream.read(None, 1) == []


def test_every_offset_replays_the_same_records_to_every_reader(stream: Stream, address: str):
    offsets = stream.append(PAYLOADS)
    whole = read_all(stream)

    for number, offset in enumerate(offsets, 1):
        assert read_all(stream, offset) == whole[number:]
    with closing(open_stream(address)) as other:
        assert read_all(other, offsets[1], at_once=100) == whole[2:]


def test_lag_counts_what_follows(stream: Stream):
    offsets = stream.append([b"x"] * 7)

    read_all(stream)

    assert [stream.lag(offset) for offset in [None, *offsets]] == [7, 6, 5, 4, 3, 2, 1, 0]


def test_waiting_ends_with_the_first_record(stream: Stream, address: str):
    before = stream.append([b"early"])[-1]

    def write() -> None:
        with closing(open_stream(address)) as writer:
            writer.append([b"late"])

    stream.close()
    with closing(open_stream(address)) as reader:
        assert reader.read(before, 5, wait_s=0.01) == []
        thread = threading.Thread(target=write)
        thread.start()
        records = reader.read(before, 5, wait_s=60.0)
        thread.join()

    assert [record.payload for record in records] == [b"late"]


def test_committing_changes_nothing_of_what_is_kept(stream: Stream):
    offsets = stream.append(PAYLOADS)
    whole = read_all(stream)

    for offset in (offsets[2], offsets[2], offsets[0]):
        stream.commit(offset)

    assert read_all(stream, offsets[2]) == whole[3:]
    assert read_all(stream) == whole


def test_a_record_that_never_was_is_gone(stream: Stream):
    last = stream.append([b"x"])[-1]
    beyond = str(int(last.partition("-")[0]) + 1000)

    with pytest.raises(OffsetGoneError, match=rf"{beyond}.*oldest record kept is"):
        stream.read(beyond, 1)
    assert [record.payload for record in stream.read(None, 1)] == [b"x"]


def test_what_is_no_offset_is_refused(stream: Stream):
    stream.append([b"x"])

    for offset in ("", "-1", "x", "1;2", "٣"):
        with pytest.raises(StreamError, match="no offset"):
            stream.read(offset, 1)


def test_two_readers_refuse_each_other_and_name_the_holder(stream: Stream, address: str):
    stream.append(PAYLOADS)
    with closing(open_stream(address)) as other:
        with stream.lease():
            with pytest.raises(StreamError, match=rf"another reader: process {os.getpid()} on "), other.lease():
                pass
            assert len(read_all(stream)) == len(PAYLOADS)
            assert len(read_all(other)) == len(PAYLOADS)
        with other.lease():
            pass


def test_a_leased_reader_goes_on_where_another_one_was(stream: Stream, address: str):
    offsets = stream.append([str(number).encode() for number in range(20)])
    whole = read_all(stream)
    with stream.lease():
        assert read_all(stream, None, 4) == whole
        stream.commit(offsets[5])
    stream.close()
    with closing(open_stream(address)) as other, other.lease():
        assert read_all(other, offsets[3], 4) == whole[4:]
        other.commit(offsets[-1])
        more = other.append([b"new"])
        assert [record.offset for record in other.read(offsets[-1], 5)] == more
    with closing(open_stream(address)) as third, third.lease():
        assert read_all(third) == [*whole, *third.read(offsets[-1], 5)]


def test_dead_letters_keep_record_and_reason_once(stream: Stream, address: str):
    stream.append(PAYLOADS)
    records = read_all(stream)

    for record in (records[1], records[1], records[3]):
        stream.dead_letter(record, "its shape is [9]; expected [8]")
    with closing(open_stream(address)) as other:  # a reader that was killed, and reads the same again
        other.dead_letter(records[1], "again")
        letters = other.dead_letters(10)

    assert [(letter.offset, letter.payload) for letter in letters] == [
        (records[1].offset, records[1].payload),
        (records[3].offset, records[3].payload),
    ]
    assert letters[0].reason == "its shape is [9]; expected [8]"
    assert read_all(stream) == records


def test_a_payload_that_could_not_be_read_again_is_refused_whole(stream: Stream):
    with pytest.raises(StreamError, match="payload 1 has"):
        stream.append([b"small", bytes(MAX_PAYLOAD_BYTES + 1)])
    assert stream.read(None, 1) == []


def test_closing_twice_does_no_harm(stream: Stream):
    stream.append([b"x"])
    stream.close()
    stream.close()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("spool", "expected spool:DIR"),
        ("spool:", "expected spool:DIR"),
        ("sool:x", r"Unknown kind of stream 'sool'\. Known: .*Did you mean 'spool'"),
        ("spool:x?segment_byte=1", "unknown option 'segment_byte'.*Did you mean 'segment_bytes'"),
        ("spool:x?segment_bytes=1e3", "expected a value such as"),
        ("spool:x?segment_bytes=-1", "expected a number from 0"),
        ("spool:x?drop_uncommitted=yes", "expected true or false"),
        ("spool:x?segment_bytes=1&segment_bytes=2", "twice"),
        ("spool:x?segment_bytes=100&retain_bytes=100", "at least two segments"),
        ("redis://localhost:6379", "expected redis://HOST:PORT/NAME"),
        ("redis:x", "expected redis://HOST:PORT/NAME"),
        ("redis://h:99999/x", "expected redis://HOST:PORT/NAME"),
        ("redis://h:1/x?lease_s=nan", "expected a number from 0"),
        ("redis://h:1/x?lease_s=0", "at least 0.05 s"),
    ],
)
def test_a_malformed_address_says_what_is_right(text: str, error: str):
    with pytest.raises(ParamsError, match=error):
        open_stream(text)


@pytest.mark.parametrize("text", ["redis://me:secret@host:1/key", "redis//:secret@host"])
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str):
    with pytest.raises(ParamsError) as error:
        open_stream(text)
    assert "secret" not in str(error.value)
