"""Reads a spool: from any record that is kept, up to what is durable, a mebibyte at a time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from qatflow.errors import OffsetGoneError, StreamError
from qatflow.online.streams.base import READ_BYTES, Record, gone
from qatflow.online.streams.frames import HEAD_BYTES, DamagedError, Unfinished, unpack_frame, whole_frames
from qatflow.online.streams.segments import End, Segment, open_segment, read_end, segments

CHUNK_BYTES = 1 << 20


class Cursor:
    """A place in one segment, before record `number`.

    Raises:
        StreamError: If the segment is of another version, or its head is damaged.
        FileNotFoundError: If it was dropped meanwhile.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.number = segment.first
        self._descriptor = open_segment(segment, os.O_RDONLY)
        self._buffer, self._start, self._filled_to = b"", 0, HEAD_BYTES

    @property
    def place(self) -> int:
        """Byte of the segment at which the frame of the next record begins."""
        return self._filled_to - len(self._buffer) + self._start

    def take(self, limit: int | None = None) -> Record | None:
        """Return the next record; None if it does not end before byte `limit`, or the file's end if that is None.

        Raises:
            DamagedError: If something else is there.
        """
        while True:
            try:
                record, self._start = unpack_frame(self._buffer, self._start, self.number)
            except Unfinished as unfinished:
                if not self._fill(unfinished.needed, limit):
                    return None
            else:
                self.number += 1
                return record

    def seek(self, number: int) -> None:
        """Go to record `number`, over damaged ones too.

        Raises:
            DamagedError: If its frame is not whole.
        """
        with suppress(DamagedError):
            while self.number < number and self.take() is not None:
                pass
        if self.number != number:
            for found, place in whole_frames(self.segment.path.read_bytes(), self.place):
                if found >= number:
                    self.number, self._buffer, self._start, self._filled_to = found, b"", 0, place
                    break
        if self.number != number:
            raise DamagedError("no frame of it is there")

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _fill(self, needed: int, limit: int | None) -> bool:
        rest = self._buffer[self._start :]
        wanted = max(CHUNK_BYTES, needed - len(rest))
        if limit is not None:
            wanted = min(wanted, limit - self._filled_to)
        more = os.pread(self._descriptor, wanted, self._filled_to) if wanted > 0 else b""
        self._buffer, self._start, self._filled_to = rest + more, 0, self._filled_to + len(more)
        return bool(more)


def durable_end(folder: Path, at_least: int = 0) -> End | None:
    """Return how far a spool can be read; None if it has no segment.

    What the writer said counts, so that no reader sees what a loss of power could take back. If that is missing, or
    less than a record that somebody has read, then power was lost, and all whole records count.
    """
    end = read_end(folder)
    if end is not None and end.last >= at_least:
        return end
    found = segments(folder)
    return whole_end(found[-1])[0] if found else end


def whole_end(segment: Segment) -> tuple[End, bool]:
    """Return where the whole records of a segment end, and whether anything follows that is none."""
    cursor = Cursor(segment)
    try:
        with suppress(DamagedError):
            while cursor.take() is not None:
                pass
        place = cursor.place
    finally:
        cursor.close()
    return End(cursor.number - 1, segment.first, place), segment.path.stat().st_size > place


class SpoolReader:
    """Reads the spool in a folder; remembers where it was, so that reading on costs no search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cursor: Cursor | None = None

    def read(self, after: int | None, max_records: int) -> list[Record]:
        """Return the records that follow number `after`; see `Stream.read`.

        Raises:
            OffsetGoneError: If they were dropped, or `after` is beyond the end.
            StreamError: If a record is damaged; the text names the segment, the byte, and where whole ones go on.
        """
        end = durable_end(self._folder, after or 0)
        last = end.last if end else 0
        if after is not None and after > last:
            raise self._gone(after)
        number = after + 1 if after is not None else self.oldest() or 1
        records: list[Record] = []
        size = 0
        while end and number <= last and len(records) < max_records and size < READ_BYTES:
            records.append(self._take(number, end))
            size += len(records[-1].payload)
            number += 1
        return records

    def oldest(self) -> int | None:
        """Return the number of the oldest record; None if there is none."""
        end, found = durable_end(self._folder), segments(self._folder)
        return found[0].first if end and found and found[0].first <= end.last else None

    def close(self) -> None:
        """Let go of the file."""
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def _take(self, number: int, end: End) -> Record:
        cursor = self._cursor
        if cursor is None or cursor.number != number:
            cursor = self._open(number)
        record = self._next(cursor, end)
        if record is None:  # the next segment begins with it, if all is well
            cursor = self._open(number)
            record = self._next(cursor, end)
        if record is None:
            raise self._damaged(cursor.segment, number, cursor.place, "the file ends there")
        return record

    def _next(self, cursor: Cursor, end: End) -> Record | None:
        try:
            return cursor.take(end.size if cursor.segment.first == end.first else None)
        except DamagedError as damage:
            raise self._damaged(cursor.segment, cursor.number, cursor.place, str(damage)) from None

    def _open(self, number: int) -> Cursor:
        self.close()
        holding = [segment for segment in segments(self._folder) if segment.first <= number]
        if not holding:
            raise self._gone(number - 1)
        try:
            cursor = self._cursor = Cursor(holding[-1])
            cursor.seek(number)
        except FileNotFoundError:  # dropped in between
            raise self._gone(number - 1) from None
        except DamagedError as damage:
            raise self._damaged(holding[-1], number, cursor.place, str(damage)) from None
        return cursor

    def _gone(self, after: int) -> OffsetGoneError:
        oldest = self.oldest()
        return gone(str(self._folder), str(after), None if oldest is None else str(oldest))

    def _damaged(self, segment: Segment, number: int, place: int, why: str) -> StreamError:
        self.close()
        rest = [found for found, _ in whole_frames(segment.path.read_bytes(), place) if found > number][:1]
        rest += [later.first for later in segments(self._folder) if later.first > number][:1]
        onward = f"; to leave it out, read on after record {rest[0] - 1}" if rest else ""
        return StreamError(f"{segment.path} is damaged at byte {place}, in record {number}: {why}{onward}")
