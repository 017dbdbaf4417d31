"""The one writer of a spool: groups of records, synced before they are acknowledged, in segments of bounded size."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qatflow.artifacts import fsync_directory, lies_at
from qatflow.errors import ParamsError, StreamError
from qatflow.online.streams.frames import HEAD_BYTES, pack_frames, whole_frames
from qatflow.online.streams.segments import (
    END,
    End,
    Segment,
    hold,
    new_segment,
    open_segment,
    read_committed,
    read_end,
    segments,
    write_end,
)
from qatflow.online.streams.spool_reader import whole_end

log = logging.getLogger("qatflow.online")


@dataclass(frozen=True)
class SpoolOptions:
    """Sizes of a spool.

    Attributes:
        segment_bytes: A segment that has reached it is followed by a new one.
        retain_bytes: Of all segments. Beyond it the oldest are dropped once they are committed; where none is, writers
            are refused until a reader has committed.
        retain_segments: Beyond so many the oldest are dropped once they are committed.
        drop_uncommitted: Drop the oldest even if no reader has committed them; readers then get `OffsetGoneError`.
    """

    segment_bytes: int = 16 << 20
    retain_bytes: int = 1 << 30
    retain_segments: int = 10_000
    drop_uncommitted: bool = False

    def __post_init__(self) -> None:
        if self.segment_bytes < HEAD_BYTES or self.retain_bytes < 2 * self.segment_bytes or self.retain_segments < 2:
            raise ParamsError(
                f"segment_bytes {self.segment_bytes}, retain_bytes {self.retain_bytes}, retain_segments "
                f"{self.retain_segments}: a spool keeps at least two segments, of at least {HEAD_BYTES} bytes each"
            )


class SpoolWriter:
    """Writes into the spool in a folder, which is made if need be.

    Raises:
        StreamError: If another process writes into it, it holds other things, or it is of another version.
    """

    def __init__(self, folder: Path, options: SpoolOptions) -> None:
        self._folder, self._options = folder, options
        self._descriptor = -1
        self._sizes: dict[Segment, int] = {}
        self._end = End(0, 0, 0)
        self._lock: IO[str] | None = None
        self._mark = -1
        self._enter()

    def append(self, payloads: Sequence[bytes]) -> list[str]:
        """Add records, all or none; return their offsets.

        Raises:
            StreamError: If the disk, or what the spool may hold, is full, or somebody deleted or replaced a file that
                is written to; nothing of them is then in the spool.
        """
        if not payloads:
            return []
        try:
            if self._lock is None:
                self._enter()
            elif self._descriptor < 0:
                self._recover()
            first = self._end.last + 1
            content = pack_frames(first, payloads)
            if self._end.size >= self._options.segment_bytes:
                self._rotate()
            self._make_room(len(content))
            self._write(content)
        except OSError as error:
            raise StreamError(
                f"{self._folder}: {len(payloads)} records could not be written: {error.strerror}. Nothing of them was "
                "kept; make room and append them again"
            ) from None
        self._check_place()
        self._end = End(self._end.last + len(payloads), self._end.first, self._end.size + len(content))
        write_end(self._mark, self._end)
        return [str(number) for number in range(first, first + len(payloads))]

    def close(self) -> None:
        """Let go of the spool; what was said of its end is synced too."""
        self._close_segment()
        if self._mark >= 0:
            os.fsync(self._mark)
            os.close(self._mark)
            self._mark = -1
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _enter(self) -> None:
        """Take the folder, which is made if need be."""
        folder = self._folder
        self._check_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = hold(folder / "writer.lock", f"{folder} is being written by another writer")
        try:
            self._mark = os.open(folder / END, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._recover()
        except BaseException:
            self.close()
            raise

    def _check_place(self) -> None:
        """Let go if a file that is written to is no longer in the folder: nobody will ever find what was written."""
        assert self._lock is not None  # noqa: S101 (there is no append without)
        held = {
            self._active.path: self._descriptor,
            self._folder / "writer.lock": self._lock.fileno(),
            self._folder / END: self._mark,
        }
        lost = [path.name for path, descriptor in held.items() if not lies_at(path, os.fstat(descriptor))]
        if lost:
            self.close()
            raise StreamError(
                f"{self._folder}: {lost[0]} was deleted or replaced while it was written to, and records with it. "
                f"Nothing of this append was kept; append it again, and it gets record {self._end.last + 1} or later"
            )

    def _check_folder(self) -> None:
        if self._folder.is_dir() and not segments(self._folder):
            foreign = {path.name for path in self._folder.iterdir()} - {"writer.lock", "reader.lock", END, "dead"}
            foreign = {name for name in foreign if not name.endswith(".tmp")}
            if foreign:
                raise StreamError(f"{self._folder} is no spool: it holds {min(foreign)}; give an empty folder")
        elif self._folder.exists() and not self._folder.is_dir():
            raise StreamError(f"{self._folder} is a file; expected a folder")

    def _recover(self) -> None:
        """Open the last segment behind its last whole record; what follows was never acknowledged, and is cut."""
        for leftover in self._folder.glob("*.tmp"):
            leftover.unlink()
        said, found = read_end(self._folder), segments(self._folder)
        self._sizes = {segment: segment.path.stat().st_size for segment in found}
        if not found:
            self._begin(max(self._end.last, said.last if said else read_committed(self._folder)) + 1)
            return
        end, rest = whole_end(found[-1])
        durable = said.last if said is not None else _last_whole(found[-1], end) if rest else end.last
        durable = max(durable, self._end.last)  # what this writer said before holds whatever happened to the files
        if durable > end.last:
            log.error(
                "%s is damaged: it was durable up to record %d, and is whole up to %d; new records begin with %d",
                found[-1].path, durable, end.last, durable + 1,
            )  # fmt: skip
            self._begin(durable + 1)
            return
        self._descriptor = open_segment(found[-1], os.O_RDWR)
        if rest:
            log.warning("%s: an unfinished write after record %d was cut off", found[-1].path, end.last)
            os.ftruncate(self._descriptor, end.size)
        os.fsync(self._descriptor)
        self._end = end
        write_end(self._mark, end)

    def _begin(self, first: int) -> None:
        self._close_segment()
        segment = new_segment(self._folder, first)
        self._descriptor = open_segment(segment, os.O_RDWR)
        self._sizes[segment] = HEAD_BYTES
        self._end = End(first - 1, first, HEAD_BYTES)
        write_end(self._mark, self._end)

    def _rotate(self) -> None:
        self._sizes[self._active] = self._end.size
        self._begin(self._end.last + 1)

    @property
    def _active(self) -> Segment:
        return next(reversed(self._sizes))

    def _write(self, content: bytes) -> None:
        try:
            place = self._end.size
            for start in range(0, len(content), 1 << 30):  # one write takes no more than 2 GiB
                place += _write_all(self._descriptor, content[start : start + (1 << 30)], place)
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end.size)
            self._close_segment()  # after a failed fsync only what is read anew can be trusted
            raise

    def _make_room(self, needed: int) -> None:
        options = self._options
        self._sizes[self._active] = self._end.size
        total = sum(self._sizes.values()) + needed
        while len(self._sizes) > 1 and (total > options.retain_bytes or len(self._sizes) > options.retain_segments):
            oldest, following = list(self._sizes)[:2]
            if not options.drop_uncommitted and read_committed(self._folder) < following.first - 1:
                break
            oldest.path.unlink(missing_ok=True)
            fsync_directory(self._folder)
            total -= self._sizes.pop(oldest)
        if total > options.retain_bytes:
            raise StreamError(
                f"{self._folder} is full: {needed} more bytes would be over retain_bytes={options.retain_bytes}, and "
                f"its oldest records are not committed (up to {read_committed(self._folder)} of {self._end.last} are); "
                "append again when its reader has caught up"
            )

    def _close_segment(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _last_whole(segment: Segment, end: End) -> int:
    """Return the last whole record of a segment, whatever is before it: an unfinished write has none behind it."""
    return max((number for number, _ in whole_frames(segment.path.read_bytes(), end.size)), default=end.last)


def _write_all(descriptor: int, content: bytes, place: int) -> int:
    """Write at a place, in as many steps as it takes; return how many bytes."""
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, memoryview(content)[done:], place + done)
    return done
