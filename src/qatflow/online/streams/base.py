"""What a stream is: records in one order, read from any offset that is still kept, and the rules of every kind."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from qatflow.errors import OffsetGoneError, StreamError

MAX_PAYLOAD_BYTES = 64 << 20
"""Of one record."""
READ_BYTES = 64 << 20
"""A read ends with the record that brings it over so many bytes, so that memory stays bounded whatever is asked for."""
DEAD_BYTES = 256 << 20
"""Of the dead letters of one stream: the newest are kept."""
_OFFSET = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?", re.ASCII)


class Record(NamedTuple):
    """One record.

    Attributes:
        offset: Its place in the stream; see `position`.
        payload: What was appended.
        checksum: CRC-32 (zlib's) of the payload, compared by the stream before the record is returned.
    """

    offset: str
    payload: bytes
    checksum: int


class DeadLetter(NamedTuple):
    """A record that could not be used.

    Attributes:
        offset: Where it was in its stream.
        reason: Why it could not be used.
        payload: What it held.
    """

    offset: str
    reason: str
    payload: bytes


class Stream(Protocol):
    """An ordered stream of records. One object is for one thread, or for several that take turns.

    Order and replay. Records have one order, and reading on from an offset gives the same records each time, for as
    long as they are kept. An offset is what the caller remembers, in the checkpoint that holds all that came of the
    records up to it; the stream's own memory of readers (`commit`) is a hint, and no answer depends on it. Hence what
    was read and not remembered is read again, and nothing is lost or counted twice.

    Whole or not at all. A record is returned with the bytes that were appended (their CRC-32 is compared), or an error
    names the place. What a crash left half-written is never returned.

    Loss is loud. If any record after the given offset is gone, or cannot be shown to be there, `read` raises
    `OffsetGoneError` and names the oldest record that is kept. `after=None` begins with the oldest.

    Bounded. A read holds at most `READ_BYTES` and one record; a payload has at most `MAX_PAYLOAD_BYTES`.

    Trouble. A broker or disk that is away for a moment is waited for; after the stream's own bounded time, and for
    all else that goes wrong, `StreamError` says what and where. No text holds a password. After an error the stream
    may be used again.
    """

    def read(self, after: str | None, max_records: int, wait_s: float = 0.0) -> list[Record]:
        """Return the records that follow `after`, in order, at most `max_records`, perhaps fewer.

        Args:
            after: Offset of the last record that is not wanted; None to begin with the oldest that is kept.
            max_records: At least 1.
            wait_s: Seconds to wait for a first record; none came if the answer is empty.

        Raises:
            OffsetGoneError: If a record after `after` is gone, or `after` never was in this stream.
            StreamError: If a record is damaged, or the stream cannot be read.
        """

    def commit(self, offset: str) -> None:
        """Say that records up to `offset` are not needed again; what is before it may be dropped. Repeats do no harm.

        Raises:
            StreamError: If it cannot be said.
        """

    def append(self, payloads: Sequence[bytes]) -> list[str]:
        """Add records, all or none; they are durable when this returns their offsets.

        A writer that is killed in here may leave none, all, or the first of them; readers tell repeats by ids of their
        own (`qatflow.online.records`).

        Raises:
            StreamError: If they cannot be stored; what was in the stream before is untouched.
        """

    def end(self) -> str | None:
        """Return the offset of the last record; None for an empty stream."""

    def lag(self, after: str | None) -> int:
        """Return how many records follow `after`."""

    def lease(self) -> AbstractContextManager[None]:
        """Be the only reader for a while. The lease of a reader that died lapses by itself.

        Raises:
            StreamError: If another reader holds the lease; the text says which.
        """

    def dead_letter(self, record: Record, reason: str) -> None:
        """Put a record that cannot be used aside, with the reason. A record that is there already is not added again.

        The newest are kept, up to about `DEAD_BYTES`, or what the stream's own limits say: a flood of them may not take
        the room of records that can be used.

        Raises:
            StreamError: If it cannot be stored.
        """

    def dead_letters(self, max_records: int) -> list[DeadLetter]:
        """Return the first records that were put aside, in order, at most `max_records`."""

    def close(self) -> None:
        """Let go of files and connections. Repeats do no harm."""


def position(offset: str | None) -> tuple[int, int]:
    """Return what orders the offsets of one stream; None is before all others.

    Raises:
        StreamError: If it is no offset.
    """
    if offset is None:
        return (-1, -1)
    if _OFFSET.fullmatch(offset) is None:
        raise StreamError(f"'{offset[:40]}' is no offset of a stream; expected a number, or two with a dash between")
    major, _, minor = offset.partition("-")
    return int(major), int(minor or 0)


def checked(where: str, offset: str, payload: bytes, checksum: int) -> Record:
    """Return a record whose payload is what was appended.

    Raises:
        StreamError: If its CRC-32 is another.
    """
    found = zlib.crc32(payload)
    if found != checksum:
        raise StreamError(f"{where}: record {offset} was altered: its CRC-32 is {found:08x}, expected {checksum:08x}")
    return Record(offset, payload, checksum)


def check_payloads(where: str, payloads: Sequence[bytes]) -> None:
    """Raise StreamError if a payload is too large to be read again."""
    for number, payload in enumerate(payloads):
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise StreamError(
                f"{where}: payload {number} has {len(payload)} bytes; a record holds at most {MAX_PAYLOAD_BYTES}"
            )


def gone(where: str, after: str, oldest: str | None) -> OffsetGoneError:
    """Return the error of an offset that cannot be read on from."""
    kept = f"the oldest record kept is {oldest}" if oldest is not None else "the stream is empty"
    return OffsetGoneError(
        f"{where}: what follows record {after} is gone, or was never there; {kept}. Give the stream that the offset is "
        "of, or begin anew with what is kept"
    )
