"""Records that could not be used, as records of a stream beside: what they held, where they were, and why."""

from __future__ import annotations

import json

from qatflow.errors import OtherSchemaError
from qatflow.online.streams.base import MAX_PAYLOAD_BYTES, DeadLetter, Record, Stream, position

MAX_HEADER_BYTES = 8192
MAX_REASON = 1000
"""Characters of a reason that are kept."""


def pack_dead_letter(letter: DeadLetter) -> bytes:
    """Return length (uint32, little-endian) and JSON of offset and reason, and then the payload."""
    header = json.dumps({"offset": letter.offset, "reason": letter.reason[:MAX_REASON]}).encode()
    return (len(header).to_bytes(4, "little") + header + letter.payload)[:MAX_PAYLOAD_BYTES]


def unpack_dead_letter(record: Record) -> DeadLetter:
    """Return what `pack_dead_letter` packed.

    Raises:
        OtherSchemaError: If it is something else.
    """
    length = int.from_bytes(record.payload[:4], "little")
    try:
        header = json.loads(record.payload[4 : 4 + min(length, MAX_HEADER_BYTES)])
        return DeadLetter(str(header["offset"]), str(header["reason"]), record.payload[4 + length :])
    except (ValueError, KeyError, TypeError):
        raise OtherSchemaError(f"dead letter {record.offset} does not begin with offset and reason") from None


class Aside:
    """The dead letters of a stream, in a stream of their own.

    Args:
        stream: Where they are kept.
        last: The last one that is there; None if there is none. What is not behind it is there already.
    """

    def __init__(self, stream: Stream, last: Record | None) -> None:
        self._stream = stream
        self._last = position(None if last is None else unpack_dead_letter(last).offset)

    def put(self, record: Record, reason: str) -> None:
        """See `Stream.dead_letter`."""
        if position(record.offset) > self._last:
            self._stream.append([pack_dead_letter(DeadLetter(record.offset, reason, record.payload))])
            self._last = position(record.offset)

    def first(self, max_records: int) -> list[DeadLetter]:
        """See `Stream.dead_letters`."""
        return [unpack_dead_letter(record) for record in self._stream.read(None, max_records)]

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()
