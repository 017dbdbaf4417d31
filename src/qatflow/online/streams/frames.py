"""Bytes of a spool: the head of a segment file, and the frame of each record in it. No files here.

A segment begins with a head of 24 bytes: magic, version (uint32), number of its first record (uint64), CRC-32 of what
is before. Then come frames: mark, length of the payload (uint32), number of the record (uint64), CRC-32 of the
payload, CRC-32 of the 20 bytes before; then the payload. All little-endian. Records are numbered from 1 without gaps.
The frame's own checksum tells a damaged length from an unfinished write; the mark lets a reader find the next frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from qatflow.errors import OtherSchemaError, StreamError
from qatflow.online.streams.base import MAX_PAYLOAD_BYTES, Record

VERSION = 1
MAGIC = b"QATFSPL\n"
MARK = b"\xf1QF\n"
_HEAD = struct.Struct("<8sIQI")
_FRAME = struct.Struct("<4sIQII")
HEAD_BYTES, FRAME_BYTES = _HEAD.size, _FRAME.size


def pack_head(first: int) -> bytes:
    """Return the head of a segment whose first record has the number `first`."""
    head = _HEAD.pack(MAGIC, VERSION, first, 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little")


def check_head(where: str, head: bytes, first: int) -> None:
    """Compare the head of a segment with the number its name says.

    Raises:
        OtherSchemaError: If it is of another version, or no segment at all.
        StreamError: If it is damaged.
    """
    if not head.startswith(MAGIC) or len(head) < HEAD_BYTES:
        raise OtherSchemaError(f"{where} is no segment of a spool: it does not begin as one")
    _, version, number, checksum = _HEAD.unpack_from(head)
    if version != VERSION:
        raise OtherSchemaError(f"{where} has format version {version}; this version of QATFlow reads {VERSION}")
    if checksum != zlib.crc32(head[: HEAD_BYTES - 4]) or number != first:
        raise StreamError(f"{where} is damaged at byte 0: its head does not say that it begins with record {first}")


def pack_frames(first: int, payloads: Sequence[bytes]) -> bytes:
    """Return the frames of consecutive records, the first of which has the number `first`."""
    parts: list[bytes] = []
    for number, payload in enumerate(payloads, first):
        frame = _FRAME.pack(MARK, len(payload), number, zlib.crc32(payload), 0)[:-4]
        parts += (frame, zlib.crc32(frame).to_bytes(4, "little"), payload)
    return b"".join(parts)


class Unfinished(Exception):  # noqa: N818 (it is no error where a file ends)
    """The bytes end before the frame does; more may follow."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class DamagedError(Exception):
    """The bytes are no frame of the record that must come next; the text says why."""


def frame_bytes(buffer: bytes | bytearray, start: int, number: int) -> int:
    """Return the size of the whole frame of record `number` that begins at `start`.

    Raises:
        Unfinished: If its head does not end in the buffer.
        DamagedError: If it is none.
    """
    if len(buffer) - start < FRAME_BYTES:
        raise Unfinished(FRAME_BYTES)
    mark, length, found, _, checksum = _FRAME.unpack_from(buffer, start)
    if mark != MARK or checksum != zlib.crc32(buffer[start : start + FRAME_BYTES - 4]):
        raise DamagedError("no frame begins there")
    if found != number:
        raise DamagedError(f"record {found} is there")
    if length > MAX_PAYLOAD_BYTES:
        raise DamagedError(f"it claims {length} bytes")
    return FRAME_BYTES + int(length)


def unpack_frame(buffer: bytes | bytearray, start: int, number: int) -> tuple[Record, int]:
    """Return record `number`, whose frame begins at `start`, and where the next one begins.

    Raises:
        Unfinished: If the frame does not end in the buffer.
        DamagedError: If it is none, or the payload is not what was written.
    """
    size = frame_bytes(buffer, start, number)
    if len(buffer) - start < size:
        raise Unfinished(size)
    payload = bytes(buffer[start + FRAME_BYTES : start + size])
    checksum = _FRAME.unpack_from(buffer, start)[3]
    if zlib.crc32(payload) != checksum:
        raise DamagedError("its payload was altered")
    return Record(str(number), payload, checksum), start + size


def whole_frames(content: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield the number and the place of each whole frame at or after `start`, whatever lies between them."""
    while (start := content.find(MARK, start)) >= 0:
        step = 1
        if len(content) - start >= FRAME_BYTES:
            number = int(_FRAME.unpack_from(content, start)[2])
            with suppress(Unfinished, DamagedError):
                step = unpack_frame(content, start, number)[1] - start
                yield number, start
        start += step
