"""What is Redis's own: the consumer group, trimming, leases that lapse, a server that is away, unsafe settings."""

from __future__ import annotations

import logging
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import closing

import pytest

from qatflow.errors import OffsetGoneError, StreamError
from qatflow.online.streams import Record, open_stream
from qatflow.online.streams.redis_stream import RedisStream
from tests.online.redis_server import RedisServer, redis_server

PATIENCE_S = 60.0


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def stream(redis: RedisServer, key: str) -> Iterator[RedisStream]:
    with closing(opened(redis, key)) as found:
        yield found


def opened(server: RedisServer, key: str, options: str = "") -> RedisStream:
    found = open_stream(f"{server.url}{key}{options}")
    assert isinstance(found, RedisStream)
    return found


def group(stream: RedisStream, key: str) -> dict[str, object]:
    found = stream._broker.call("XINFO", "GROUPS", key)
    return {name.decode(): value for name, value in zip(found[0][::2], found[0][1::2], strict=True)} if found else {}


def test_the_group_shows_how_far_the_reader_is(redis: RedisServer, stream: RedisStream, key: str):
    offsets = stream.append([b"x"] * 10)
    with stream.lease():
        records = stream.read(None, 6)
        shown = group(stream, key)
        assert (shown["pending"], shown["lag"], shown["last-delivered-id"]) == (6, 4, offsets[5].encode())
        stream.commit(records[3].offset)
        assert group(stream, key)["pending"] == 2


def _evals(stream: RedisStream) -> int:
    found = stream._broker.call("INFO", "commandstats").decode().partition("cmdstat_eval:calls=")[2]
    return int(found.partition(",")[0])


@pytest.mark.parametrize("trimmed", [0, 7])
def test_a_leased_reader_knows_its_lag_without_counting(stream: RedisStream, key: str, trimmed: int):
    offsets = stream.append([b"x"] * 50)[trimmed:]
    stream._broker.call("XTRIM", key, "MINID", offsets[0])
    with stream.lease():
        stream.read(None, 20)
        stream.commit(offsets[4])
        evals = _evals(stream)
        lags = [stream.lag(offset) for offset in offsets[5:20]]
        assert _evals(stream) == evals
        assert lags == [len(offsets) - number for number in range(6, 21)]
        assert [stream.lag(offsets[0]), stream.lag(offsets[30])] == [len(offsets) - 1, len(offsets) - 31]


def test_what_a_dead_reader_left_pending_is_claimed_and_acknowledged(redis: RedisServer, key: str):
    dead = opened(redis, key, "?lease_s=0.2")
    offsets = dead.append([b"x"] * 1200)
    lease = dead.lease()
    lease.__enter__()
    dead.read(None, 1100)
    assert dead._lease is not None
    dead._lease._ended.set()  # killed: nobody renews, and nothing is given back
    with closing(opened(redis, key, "?lease_s=0.2")) as living:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with living.lease():
                    assert len(living.read(offsets[99], 2000)) == 1100
                    assert group(living, key)["pending"] == 1200
                    living.commit(offsets[-1])
                    assert group(living, key)["pending"] == 0
                break
            except StreamError as error:
                assert "another reader: process" in str(error)  # noqa: PT017 (until the lease has lapsed)
                assert time.monotonic() < deadline
    dead.close()


def test_a_group_that_was_moved_or_removed_changes_nothing(stream: RedisStream, key: str):
    offsets = stream.append([str(number).encode() for number in range(30)])
    with stream.lease():
        found = stream.read(None, 5)
        for place in ("$", "0", offsets[20]):
            stream._broker.call("XGROUP", "SETID", key, "qatflow", place)
            found += stream.read(found[-1].offset, 5)
        stream._broker.call("XGROUP", "DESTROY", key, "qatflow")
        while records := stream.read(found[-1].offset, 5):
            found += records
        stream.commit(found[-1].offset)
    assert [record.offset for record in found] == offsets


def test_a_reader_that_steals_from_the_group_changes_nothing(stream: RedisStream, key: str):
    offsets = stream.append([b"x"] * 30)
    with stream.lease():
        found = stream.read(None, 5)
        stream._broker.call("XREADGROUP", "GROUP", "qatflow", "thief", "COUNT", 7, "STREAMS", key, ">")
        while records := stream.read(found[-1].offset, 4):
            found += records
    assert [record.offset for record in found] == offsets


@pytest.mark.parametrize("leased", [True, False])
def test_a_trimmed_stream_is_said_to_be(redis: RedisServer, key: str, leased: bool):
    with closing(opened(redis, key)) as stream:
        offsets = stream.append([b"x"] * 30)
        lease = stream.lease()
        if leased:
            lease.__enter__()
        last = stream.read(None, 5)[-1].offset
        stream._broker.call("XTRIM", key, "MINID", offsets[10])
        with pytest.raises(OffsetGoneError, match=rf"{last} is gone.*oldest record kept is {offsets[10]}\."):
            stream.read(last, 5)
        assert stream.read(None, 1)[0].offset == offsets[10]
        stream._broker.call("DEL", key)
        with pytest.raises(OffsetGoneError, match="the stream is empty"):
            stream.read(offsets[10], 5)
        if leased:
            lease.__exit__(None, None, None)


def test_committing_trims_what_is_before_if_asked_to(redis: RedisServer, key: str):
    with closing(opened(redis, key, "?trim=true")) as stream:
        offsets = stream.append([b"x"] * 30)
        stream.commit(offsets[9])
        assert stream.lag(None) == 21
        assert stream.read(offsets[9], 1)[0].offset == offsets[10]


def test_maxlen_bounds_the_server_and_says_so_to_a_slow_reader(redis: RedisServer, key: str):
    with closing(opened(redis, key, "?maxlen=200")) as stream:
        first = stream.append([b"x"] * 100)[0]
        for _ in range(20):
            stream.append([b"x"] * 100)
        assert stream.lag(None) < 400
        with pytest.raises(OffsetGoneError, match="is gone"):
            stream.read(first, 5)


def test_an_append_whose_answer_was_lost_is_not_done_twice(stream: RedisStream):
    offsets = stream.append([b"a", b"b"])
    stream._appends -= 1  # as when the same command is sent again
    again = stream.append([b"a", b"b"])

    assert again == offsets
    assert stream.lag(None) == 2


def test_entries_of_other_programs_are_for_the_reader_to_reject(stream: RedisStream, key: str):
    stream._broker.call("XADD", key, "*", "temperature", "21.5", "raw", b"\xff")
    stream._broker.call("XADD", key, "*", "p", "no checksum")
    bad = stream._broker.call("XADD", key, "*", "p", "altered", "c", "7").decode()

    records = stream.read(None, 2)

    assert [record.payload for record in records] == [b'{"temperature": "21.5", "raw": "\\u00ff"}', b"no checksum"]
    with pytest.raises(StreamError, match=rf"record {bad} was altered.*XDEL {key} {bad}"):
        stream.read(records[-1].offset, 1)


def test_a_lease_outlives_its_time_while_it_is_held(redis: RedisServer, key: str):
    with closing(opened(redis, key, "?lease_s=0.3")) as one, closing(opened(redis, key)) as other:
        one.append([b"x"])
        with one.lease():
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                with pytest.raises(StreamError, match="another reader"), other.lease():
                    pass
                one.read(None, 1)


def test_a_reader_whose_lease_was_taken_is_refused(redis: RedisServer, key: str):
    with closing(opened(redis, key)) as stream:
        offset = stream.append([b"x"])[0]
        with stream.lease():
            stream._broker.call("SET", f"{key}:lease:qatflow", "process 7 on moon, x")
            assert stream._lease is not None
            stream._lease._until = 0.0
            for use in (lambda: stream.read(None, 1), lambda: stream.commit(offset)):
                with pytest.raises(StreamError, match="another reader: process 7 on moon"):
                    use()
        assert stream._broker.call("GET", f"{key}:lease:qatflow") is not None  # it is not ours to give back


def test_a_key_that_is_no_stream_is_named(stream: RedisStream, key: str):
    stream._broker.call("SET", key, "x")

    for use in (stream.end, lambda: stream.read(None, 1), lambda: stream.append([b"x"]), lambda: stream.lag(None)):
        with pytest.raises(StreamError, match="no stream; give another key"):
            use()


def test_a_server_that_is_not_there_is_named_in_bounded_time():
    with pytest.raises(StreamError, match=r"redis://localhost:1/x: the server could not be reached for 0\.1 s"):
        open_stream("redis://localhost:1/x?reconnect_s=0.1")


def test_a_server_that_keeps_nothing_is_warned_of_once(caplog: pytest.LogCaptureFixture):
    with redis_server("--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as server:
        caplog.set_level(logging.WARNING)
        stream = opened(server, "k")
        stream.append([b"x"])
        stream.read(None, 1)
        stream.close()
    assert [record.getMessage().count("appendonly no") for record in caplog.records] == [1, 0]
    assert "may evict the stream (allkeys-lru)" in caplog.text


def test_a_safe_server_is_not_warned_of(redis: RedisServer, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING), closing(opened(redis, "k")):
        pass
    assert caplog.text == ""


def _append_forever(stream: RedisStream, stored: list[str]) -> None:
    while True:
        stored += stream.append([bytes(100_000)])


def test_a_full_server_stores_nothing_says_so_and_lets_its_reader_make_room(key: str):
    stored: list[str] = []
    with (
        redis_server("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server,
        closing(opened(server, key, "?trim=true")) as stream,
    ):
        with pytest.raises(StreamError, match="memory is full and nothing was stored"):
            _append_forever(stream, stored)
        with stream.lease():
            records = stream.read(None, 1000)
            stream.dead_letter(records[0]._replace(payload=b"small"), "why not")
            stream.commit(records[-1].offset)
        assert [record.offset for record in records] == stored
        assert stream.append([bytes(100_000)])


def test_passwords_come_from_the_environment_and_are_never_shown(monkeypatch: pytest.MonkeyPatch):
    with redis_server("--requirepass", "open sesame") as server:
        for password in (None, "open barley"):
            if password is not None:
                monkeypatch.setenv("REDIS_PASSWORD", password)
            with pytest.raises(StreamError, match="REDIS_PASSWORD") as error:
                opened(server, "k")
            assert "barley" not in str(error.value)
            assert error.value.__cause__ is None
        monkeypatch.setenv("REDIS_PASSWORD", "open sesame")
        with closing(opened(server, "k")) as stream:
            assert stream.append([b"x"])


def test_a_flood_of_dead_letters_leaves_producers_their_memory():
    letter = b"x" * 20_000
    with redis_server("--maxmemory", "8mb") as server, closing(opened(server, "digits")) as stream:
        for number in range(1, 501):  # 10 MB
            stream.dead_letter(Record(f"{number}-0", letter, zlib.crc32(letter)), "no record")

        kept = stream.dead_letters(1000)
        assert stream.append([b"good"])
    assert kept[-1].offset == "500-0"
    assert 0.7e6 < sum(len(one.payload) + len(one.reason) + 100 for one in kept) <= 8 * 2**20 / 10


def test_a_dead_letter_larger_than_their_share_is_kept_alone():
    with redis_server("--maxmemory", "8mb") as server, closing(opened(server, "digits")) as stream:
        for number, payload in enumerate((b"a" * 10, b"b" * 2_000_000, b"c" * 10), start=1):
            stream.dead_letter(Record(f"{number}-0", payload, zlib.crc32(payload)), "no record")
            assert stream.dead_letters(10)[-1].payload == payload
        assert len(stream.dead_letters(10)) == 1
