"""Drives a course: reads the stream, writes checkpoints, releases candidates. All that acts on the world is here.

Order of one interval: records are taken; a candidate is judged; a checkpoint that holds it as pending becomes durable;
it is released; a checkpoint that holds the outcome becomes durable; the stream is told. A kill anywhere between two
checkpoints repeats what came after the first one, with the same bytes, and a release of bytes that were released is
none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from qatflow.online.candidates import Judged
from qatflow.online.checkpoint import newest_checkpoint, save_checkpoint
from qatflow.online.course import Course
from qatflow.online.snapshot import keep_base
from qatflow.online.streams.base import Record, Stream

READ_RECORDS = 512
WAIT_S = 0.5


class Release(Protocol):
    """Publishes a candidate that passed: registers, promotes and deploys it.

    A repeat with the same bytes changes nothing and gives the same answer.
    """

    def __call__(self, judged: Judged, model: bytes) -> str:
        """Return `promoted`, or `refused: ` and why."""


class Watching(Protocol):
    """Is told how far the course is."""

    def __call__(self, course: Course, event: str, lag: int | None) -> None:
        """Take note of `begun`, `resumed`, `read`, `checkpoint`, `candidate`, `released` or `ended`.

        `lag` is how many records wait in the stream; None where that was not asked.
        """


def run(  # noqa: PLR0913 (what acts, and on what)
    course: Course,
    stream: Stream,
    folder: Path,
    release: Release,
    watch: Watching,
    *,
    until_end: bool = False,
    stop: Callable[[], bool] = lambda: False,
    keep: Callable[[Course, Judged], object] = lambda *_: None,
) -> None:
    """Learn from a stream until it is told to stop; at the end, and at `stop`, a checkpoint is written.

    Args:
        course: In its first state; a checkpoint in `folder` is taken up.
        stream: Leased for the time.
        folder: Of the checkpoints.
        release: See there.
        watch: See there.
        until_end: Whether to end when all records that are in the stream now are taken.
        stop: Asked between records.
        keep: Called before a release, with what is released; a repeat must change nothing. See `snapshot`.

    Raises:
        OffsetGoneError: If records that were not yet learned are gone from the stream.
        StreamError: If the stream cannot be read, or another reader holds it.
        ModelError: If the loss is lost, or no checkpoint is whole.
        OSError: If a checkpoint cannot be written.
    """
    with stream.lease():
        _take_up(course, stream, folder, watch)
        if course.pending is not None:
            _release(course, stream, folder, release, watch, keep)
        for record in _records(course, stream, watch, stop, until_end=until_end):
            reason = course.take(record)
            if reason is not None:
                stream.dead_letter(record, reason)
            if course.candidate_due:
                course.candidate()
                _save(course, stream, folder, base=course.pending is None)
                watch(course, "candidate", None)
                if course.pending is not None:
                    _release(course, stream, folder, release, watch, keep)
            elif course.checkpoint_due:
                _save(course, stream, folder)
                watch(course, "checkpoint", stream.lag(course.now.offset))
        if course.now.records != course.records_at_checkpoint:
            _save(course, stream, folder)
        watch(course, "ended", None)


def _take_up(course: Course, stream: Stream, folder: Path, watch: Watching) -> None:
    """Go on from the newest checkpoint; without one, the first state becomes the first."""
    folder.mkdir(parents=True, exist_ok=True)
    found, refused = newest_checkpoint(folder)
    for line in refused:
        watch(course, f"refused {line}", None)
    if found is None:
        course.measure_start()
        _save(course, stream, folder, base=True)
        watch(course, "begun", None)
        return
    course.restore(found)
    keep_base(folder, course.now.base)
    watch(course, "resumed", stream.lag(course.now.offset))


def _records(
    course: Course, stream: Stream, watch: Watching, stop: Callable[[], bool], *, until_end: bool
) -> Iterator[Record]:
    """Yield records as they come, at most `max_per_s` a second."""
    pace = course.settings.max_per_s
    while not stop():
        started = time.monotonic()
        records = stream.read(course.now.offset, READ_RECORDS, 0.0 if until_end else WAIT_S)
        if not records and until_end:
            return
        for record in records:
            if stop():
                return
            yield record
        watch(course, "read", None)
        if pace and records:
            time.sleep(max(0.0, len(records) / pace - (time.monotonic() - started)))


def _release(
    course: Course,
    stream: Stream,
    folder: Path,
    release: Release,
    watch: Watching,
    keep: Callable[[Course, Judged], object],
) -> None:
    assert course.pending is not None  # noqa: S101 (asked before)
    judged = course.candidates[-1]
    keep(course, judged)
    course.settle(release(judged, course.pending))
    _save(course, stream, folder, base=True)
    watch(course, "released", None)


def _save(course: Course, stream: Stream, folder: Path, *, base: bool = False) -> None:
    """Make a checkpoint durable, then tell the stream which records no snapshot needs; that is only a hint."""
    checkpoint = course.checkpoint(base=base)
    save_checkpoint(folder, checkpoint, course.settings.keep_checkpoints)
    keep_base(folder, course.now.base)
    if course.now.kept is not None:
        stream.commit(course.now.kept)
