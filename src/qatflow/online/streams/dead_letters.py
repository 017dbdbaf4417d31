"""Records that could not be used, as records of a stream beside: what they held, where they were, and why."""

from __future__ import annotations

import json

from qatflow.errors import OtherSchemaError
from qatflow.online.streams.base import MAX_PAYLOAD_BYTES, DeadLetter, Record

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
