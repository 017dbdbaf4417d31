"""A stream on a Redis server (Redis Streams, Redis 7 or newer)."""

from __future__ import annotations

import json
import logging
import time
import uuid
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from qatflow.errors import ParamsError, StreamError
from qatflow.online.streams.address import Address, Broker, parse_broker, read_options
from qatflow.online.streams.base import (
    DEAD_BYTES,
    READ_BYTES,
    DeadLetter,
    Record,
    check_payloads,
    checked,
    gone,
    position,
)
from qatflow.online.streams.dead_letters import MAX_REASON
from qatflow.online.streams.redis_broker import RedisBroker
from qatflow.online.streams.redis_lease import RedisLease
from qatflow.online.streams.redis_scripts import APPEND, COUNT, DEAD_LETTER, JOIN_GROUP

BEGIN = "0-0"
AT_ONCE = 500
COUNTED_AT_ONCE = 10_000
BLOCK_MS = 1000
log = logging.getLogger("qatflow.online")


@dataclass(frozen=True)
class RedisOptions:
    """How a Redis stream is used.

    Attributes:
        group: Name of the consumer group.
        maxlen: Appending drops the oldest records beyond about so many, whether they were read or not; 0 for none.
        trim: Committing drops what is before the committed record, for all groups.
        lease_s: After so many seconds without a sign the lease of a reader lapses.
        reconnect_s: Seconds for which a server that is away is waited for.
    """

    group: str = "qatflow"
    maxlen: int = 0
    trim: bool = False
    lease_s: float = 10.0
    reconnect_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.lease_s >= 0.05 or not self.group:
            raise ParamsError(f"group '{self.group}', lease_s {self.lease_s:g}: expected a name, and at least 0.05 s")


def open_redis(address: Address) -> RedisStream:
    """Open `redis://HOST:PORT/KEY?OPTIONS`; the options are those of `RedisOptions`. Also says what is unsafe there."""
    stream = RedisStream(parse_broker(address, 6379), read_options(address, RedisOptions))
    try:
        stream.check_safety()
    except BaseException:
        stream.close()
        raise
    return stream


class RedisStream:
    """A `Stream` under a key. Offsets are the ids of its entries.

    An entry has the fields `p` (payload) and `c` (CRC-32 of it, as a decimal number). An entry of another program that
    lacks `p` is returned as the JSON of its fields, for the reader to reject; one that lacks `c` is taken as it is.
    Beside the key are KEY:dead (a stream of the newest dead letters, bounded in bytes), KEY:lease:GROUP and
    KEY:writer:ID (for an hour after its last append).

    The consumer group shows others how far the reader with the lease is. Its entries are pending until they are
    committed, and those of a reader that died are claimed by the next. What is returned never depends on it: each read
    looks whether the record before is still there, and whether the group passed over anything.
    """

    def __init__(self, place: Broker, options: RedisOptions) -> None:
        self._key, self._options = place.name, options
        self._where = f"redis://{place.host}:{place.port}/{place.name}"
        self._me = uuid.uuid4().hex[:12]
        self._broker = RedisBroker(self._where, place.host, place.port, options.reconnect_s)
        self._lease_broker = RedisBroker(self._where, place.host, place.port, options.reconnect_s)
        self._lease: RedisLease | None = None
        self._group_at: str | None = None
        self._pending: deque[str] = deque()
        self._appends = 0

    def check_safety(self) -> None:
        """Warn of settings of the server under which records can be lost."""
        answers = self._broker.call_all([("INFO", "persistence"), ("INFO", "memory")])
        info = dict(line.split(":", 1) for text in answers for line in text.decode().splitlines() if ":" in line)
        if info.get("aof_enabled") == "0":
            log.warning(
                "%s: the server has `appendonly no`: a restart loses what came since its last snapshot", self._where
            )
        if info.get("maxmemory", "0") != "0" and info.get("maxmemory_policy") != "noeviction":
            log.warning("%s: the server may evict the stream (%s)", self._where, info.get("maxmemory_policy"))

    def read(self, after: str | None, max_records: int, wait_s: float = 0.0) -> list[Record]:
        """See `Stream.read`."""
        if self._lease is not None:
            self._lease.check()
        deadline = time.monotonic() + wait_s
        while True:
            records = self._read(after, max_records)
            left_ms = int((deadline - time.monotonic()) * 1000)
            if records or left_ms <= 0:
                return records
            last = after or BEGIN
            self._broker.call("XREAD", "COUNT", 1, "BLOCK", min(left_ms, BLOCK_MS), "STREAMS", self._key, last)

    def commit(self, offset: str) -> None:
        """See `Stream.commit`."""
        if self._lease is not None:
            self._lease.check()
        place, done = position(offset), []
        while self._pending and position(self._pending[0]) <= place:
            done.append(self._pending.popleft())
        commands: list[Any] = [
            ("XACK", self._key, self._options.group, *done[start : start + AT_ONCE])
            for start in range(0, len(done), AT_ONCE)
        ]
        if self._options.trim:
            commands.append(("XTRIM", self._key, "MINID", offset))
        if commands:
            self._broker.call_all(commands)

    def append(self, payloads: Sequence[bytes]) -> list[str]:
        """See `Stream.append`. Durable as far as the server makes it: `appendfsync always` for a loss of power."""
        check_payloads(self._where, payloads)
        if not payloads:
            return []
        self._appends += 1
        fields = [field for payload in payloads for field in (payload, zlib.crc32(payload))]
        keys = (self._key, f"{self._key}:writer:{self._me}")
        ids = self._broker.call("EVAL", APPEND, 2, *keys, self._appends, self._options.maxlen, *fields)
        return [name.decode() for name in ids]

    def end(self) -> str | None:
        """See `Stream.end`."""
        found = self._broker.call("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        return found[0][0].decode() if found else None

    def lag(self, after: str | None) -> int:
        """See `Stream.lag`. At once for the reader with the lease; else counted on the server in parts."""
        if after is None:
            return int(self._broker.call("XLEN", self._key))
        known = self._known_lag(position(after))
        if known is not None:
            return known
        total, begin = 0, f"({_id(after)}"
        while True:
            count, last = self._broker.call("EVAL", COUNT, 1, self._key, begin, COUNTED_AT_ONCE)
            total += count
            if count < COUNTED_AT_ONCE:
                return int(total)
            begin = f"({last.decode()}"

    def _known_lag(self, after: tuple[int, int]) -> int | None:
        """Return what the server says of the group, and what of it is pending here; None if that is not all."""
        if self._group_at is None or after > position(self._group_at):
            return None
        if after < position(self._group_at) and not (self._pending and position(self._pending[0]) <= after):
            return None
        found = _group(self._broker.call("XINFO", "GROUPS", self._key, handled=("no such key",)), self._options.group)
        if found.get(b"last-delivered-id") != self._group_at.encode() or found.get(b"lag") is None:
            return None
        pending = takewhile(lambda name: position(name) > after, reversed(self._pending))
        return int(found[b"lag"]) + sum(1 for _ in pending)

    def lease(self) -> AbstractContextManager[None]:
        """See `Stream.lease`. Held for `lease_s` and renewed in time; a reader that lost it is refused by its reads."""
        key = f"{self._key}:lease:{self._options.group}"
        self._group_at = None  # claim what readers before this one left
        self._lease = RedisLease(self._lease_broker, key, self._me, self._options.lease_s)
        return self._lease.held()

    def dead_letter(self, record: Record, reason: str) -> None:
        """See `Stream.dead_letter`."""
        arguments = (_id(record.offset), record.payload, reason[:MAX_REASON].encode(), DEAD_BYTES)
        self._broker.call("EVAL", DEAD_LETTER, 1, f"{self._key}:dead", *arguments)

    def dead_letters(self, max_records: int) -> list[DeadLetter]:
        """See `Stream.dead_letters`."""
        found = self._broker.call("XRANGE", f"{self._key}:dead", "-", "+", "COUNT", max_records)
        return [_dead_letter(name.decode(), _fields(values)) for name, values in found]

    def close(self) -> None:
        """See `Stream.close`."""
        self._broker.close()
        self._lease_broker.close()

    def _read(self, after: str | None, max_records: int) -> list[Record]:
        records: list[Record] = []
        size = 0
        while len(records) < max_records and size < READ_BYTES:
            entries = self._fetch(after, min(max_records - len(records), AT_ONCE))
            if not entries:
                break
            fresh = [self._record(name.decode(), values) for name, values in entries]
            records += fresh
            size += sum(len(record.payload) for record in fresh)
            after = fresh[-1].offset
        return records

    def _fetch(self, after: str | None, count: int) -> list[Any]:
        last = BEGIN if after is None else _id(after)
        if self._lease is None or not self._lease.is_held:
            return list(self._look(after, last, count)[0])
        if self._group_at is None:
            self._join_group()
        if self._group_at == last:
            entries = self._fetch_new(after, last, count)
            if entries is not None:
                return entries
        return self._fetch_again(after, last, count)

    def _look(self, after: str | None, last: str, count: int, *more: tuple[Any, ...]) -> list[Any]:
        """Return what follows `last`, and answers to `more`.

        What was trimmed never comes back. So if the record before is still there afterwards, nothing was missed.
        """
        known = ("no such key", "NOGROUP")
        commands = [
            ("XRANGE", self._key, f"({last}", "+", "COUNT", count),
            *more,
            ("XRANGE", self._key, last, last),
        ]
        *answers, anchor = self._broker.call_all(commands, known)
        if after is not None and not anchor:
            self._group_at = None
            raise self._gone(after)
        return answers

    def _fetch_new(self, after: str | None, last: str, count: int) -> list[Any] | None:
        """Return what no reader of the group has had; None if the group is not where it should be."""
        group = self._options.group
        read = ("XREADGROUP", "GROUP", group, self._me, "COUNT", count, "STREAMS", self._key, ">")
        following, found = self._look(after, last, 1, read)
        entries = list(found[0][1]) if isinstance(found, list) and found else []
        if [name for name, _ in entries[:1]] != [name for name, _ in following]:
            self._group_at = None  # it has passed something over, or is no more
            return None
        if entries:
            self._group_at = entries[-1][0].decode()
            self._pending.extend(name.decode() for name, _ in entries)
        return entries

    def _fetch_again(self, after: str | None, last: str, count: int) -> list[Any]:
        """Return what the group has had already, or catch up with what it has not."""
        found, groups = self._look(after, last, count, ("XINFO", "GROUPS", self._key))
        delivered = _delivered(groups, self._options.group)
        if delivered is None:
            self._group_at = None
            return list(found)
        known = [entry for entry in found if position(entry[0].decode()) <= position(delivered)]
        if found and not known:  # the group is behind, or the server has lost its place
            self._broker.call("XGROUP", "SETID", self._key, self._options.group, last)
            delivered = last
        self._group_at = delivered
        return known or (self._fetch_new(after, last, count) or [] if found else [])

    def _join_group(self) -> None:
        """Make the group if need be, and claim what readers before this one have not committed."""
        group = self._options.group
        self._broker.call("EVAL", JOIN_GROUP, 1, self._key, group)
        start, self._pending = BEGIN, deque()
        while True:
            claim = ("XAUTOCLAIM", self._key, group, self._me, 0, start, "COUNT", AT_ONCE, "JUSTID")
            following, claimed = self._broker.call(*claim)[:2]
            self._pending.extend(name.decode() for name in claimed)
            start = following.decode()
            if start == BEGIN:
                break
        self._group_at = _delivered(self._broker.call("XINFO", "GROUPS", self._key), group)

    def _record(self, offset: str, values: list[bytes]) -> Record:
        fields = _fields(values)
        payload = fields.get(b"p")
        if payload is None:
            shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields.items()}
            payload = json.dumps(shown).encode()
            return Record(offset, payload, zlib.crc32(payload))
        given = fields.get(b"c", b"")
        try:
            return checked(self._where, offset, payload, int(given) if given.isdigit() else zlib.crc32(payload))
        except StreamError as error:
            raise StreamError(f"{error}; to leave it out: XDEL {self._key} {offset}") from None

    def _gone(self, after: str) -> StreamError:
        found = self._broker.call("XRANGE", self._key, "-", "+", "COUNT", 1)
        return gone(self._where, after, found[0][0].decode() if found else None)


def _fields(values: list[bytes] | None) -> dict[bytes, bytes]:
    return dict(zip((values or [])[::2], (values or [])[1::2], strict=True))


def _dead_letter(offset: str, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(offset, fields.get(b"reason", b"").decode(errors="replace"), fields.get(b"p", b""))


def _group(groups: Any, name: str) -> dict[bytes, Any]:
    for group in groups if isinstance(groups, list) else []:
        values = dict(zip(group[::2], group[1::2], strict=True))
        if values[b"name"] == name.encode():
            return values
    return {}


def _delivered(groups: Any, name: str) -> str | None:
    found = _group(groups, name)
    return str(found[b"last-delivered-id"].decode()) if found else None


def _id(offset: str) -> str:
    return "{}-{}".format(*position(offset))
