"""Files of a spool: its segments, how far they are durable, and what its reader has committed."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qatflow.artifacts import fsync_directory, write_text
from qatflow.errors import StreamError
from qatflow.online.streams.frames import HEAD_BYTES, check_head, pack_head

END, COMMITTED = "end", "committed"
_END = struct.Struct("<8sQQQI")
_END_MAGIC = b"QATFEND\n"
_NAME = re.compile(r"[0-9]{20}\.seg", re.ASCII)


@dataclass(frozen=True)
class Segment:
    """One file of records.

    Attributes:
        first: Number of its first record, which is its name too.
    """

    path: Path
    first: int


@dataclass(frozen=True)
class End:
    """How far a spool is durable.

    Attributes:
        last: Number of the last record; 0 for none.
        first: First record of the segment that it is in.
        size: Bytes of that segment up to the end of that record.
    """

    last: int
    first: int
    size: int


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a spool, oldest first; none if there is no such folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StreamError(f"{folder} cannot be read as a spool: {error.strerror}") from None
    return [Segment(path, int(path.stem)) for path in paths]


def new_segment(folder: Path, first: int) -> Segment:
    """Make a segment without records; a kill leaves either none or a whole one."""
    path = folder / f"{first:020d}.seg"
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(pack_head(first))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_directory(folder)
    return Segment(path, first)


def open_segment(segment: Segment, flags: int) -> int:
    """Open a segment whose head says what it is; return its file descriptor.

    Raises:
        StreamError: If it is of another version, or damaged.
        FileNotFoundError: If it was dropped meanwhile.
    """
    descriptor = os.open(segment.path, flags | os.O_CLOEXEC)
    try:
        check_head(str(segment.path), os.pread(descriptor, HEAD_BYTES, 0), segment.first)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_end(folder: Path) -> End | None:
    """Return how far the last writer said that the spool is durable; None if it did not, or that was lost."""
    try:
        content = (folder / END).read_bytes()
        magic, last, first, size, checksum = _END.unpack(content)
    except (OSError, struct.error):
        return None
    whole = magic == _END_MAGIC and checksum == zlib.crc32(content[:-4])
    return End(last, first, size) if whole else None


def write_end(descriptor: int, end: End) -> None:
    """Say how far the spool is durable, in one write. It is a mark that can be found again, so it is not synced."""
    content = _END.pack(_END_MAGIC, end.last, end.first, end.size, 0)[:-4]
    os.pwrite(descriptor, content + zlib.crc32(content).to_bytes(4, "little"), 0)


def read_committed(folder: Path) -> int:
    """Return the number up to which records are not needed again; 0 if nobody said so."""
    try:
        return int((folder / COMMITTED).read_text())
    except (OSError, ValueError):
        return 0


def write_committed(folder: Path, number: int) -> None:
    """Say up to which number records are not needed again; it never goes back."""
    if number > read_committed(folder):
        write_text(folder / COMMITTED, f"{number}\n")


def hold(path: Path, busy: str) -> IO[str]:
    """Lock a file until it is closed, or its process ends; it then names the holder.

    Raises:
        StreamError: If it is locked; the text is `busy` and who holds it.
    """
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(200).strip() or "another process"
        file.close()
        raise StreamError(f"{busy}: {holder}") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file
