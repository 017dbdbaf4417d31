"""A stream in a folder: the embedded default. One writer, many readers, no server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qatflow.errors import StreamError
from qatflow.online.streams.address import Address, read_options
from qatflow.online.streams.base import DEAD_BYTES, DeadLetter, Record, check_payloads, position
from qatflow.online.streams.dead_letters import Aside
from qatflow.online.streams.segments import hold, write_committed
from qatflow.online.streams.spool_reader import SpoolReader, durable_end
from qatflow.online.streams.spool_writer import SpoolOptions, SpoolWriter

DEAD = "dead"
DEAD_OPTIONS = SpoolOptions(retain_bytes=DEAD_BYTES, drop_uncommitted=True)
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.001, 0.05


def open_spool(address: Address) -> Spool:
    """Open `spool:DIR?OPTIONS`; the options are those of `SpoolOptions`."""
    return Spool(Path(address.place).expanduser(), read_options(address, SpoolOptions))


class Spool:
    """A `Stream` in a folder. Offsets are the numbers of the records, from 1.

    The folder holds segment files (see `frames`), `end` (how far they are durable), `committed`, two lock files, and
    `dead`, a spool of the records that could not be used, of which the newest 256 MiB are kept.
    Reading neither makes nor changes anything. Writing begins with the first `append`, and ends with `close`.
    """

    def __init__(self, folder: Path, options: SpoolOptions = SpoolOptions()) -> None:  # noqa: B008 (frozen)
        self._folder, self._options = folder, options
        self._reader = SpoolReader(folder)
        self._writer: SpoolWriter | None = None
        self._dead: Aside | None = None

    def read(self, after: str | None, max_records: int, wait_s: float = 0.0) -> list[Record]:
        """See `Stream.read`."""
        number = None if after is None else _number(after)
        deadline, wait = time.monotonic() + wait_s, SHORTEST_WAIT_S
        while True:
            records = self._reader.read(number, max_records)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            time.sleep(min(wait, left))
            wait = min(2 * wait, LONGEST_WAIT_S)

    def commit(self, offset: str) -> None:
        """See `Stream.commit`."""
        try:
            write_committed(self._folder, _number(offset))
        except OSError as error:
            raise StreamError(f"{self._folder}: record {offset} was not committed: {error.strerror}") from None

    def append(self, payloads: Sequence[bytes]) -> list[str]:
        """See `Stream.append`. Appending nothing takes the spool for writing: `end` then moves by this writer only."""
        check_payloads(str(self._folder), payloads)
        if self._writer is None:
            self._writer = _opened(self._folder, self._options)
        return self._writer.append(payloads)

    def end(self) -> str | None:
        """See `Stream.end`."""
        end = durable_end(self._folder)
        return str(end.last) if end and end.last and self._reader.oldest() is not None else None

    def lag(self, after: str | None) -> int:
        """See `Stream.lag`."""
        end, oldest = durable_end(self._folder), self._reader.oldest()
        if end is None or oldest is None:
            return 0
        return max(0, end.last - max(oldest - 1, 0 if after is None else _number(after)))

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See `Stream.lease`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = hold(self._folder / "reader.lock", f"{self._folder} is being read by another reader")
        except OSError as error:
            raise StreamError(f"{self._folder} cannot be reserved for one reader: {error.strerror}") from None
        with file:
            yield

    def dead_letter(self, record: Record, reason: str) -> None:
        """See `Stream.dead_letter`."""
        self._aside().put(record, reason)

    def dead_letters(self, max_records: int) -> list[DeadLetter]:
        """See `Stream.dead_letters`."""
        return self._aside().first(max_records)

    def close(self) -> None:
        """See `Stream.close`."""
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._dead is not None:
            self._dead.close()
            self._dead = None

    def _aside(self) -> Aside:
        if self._dead is None:
            dead = Spool(self._folder / DEAD, DEAD_OPTIONS)
            end = dead.end()
            before = str(_number(end) - 1) if end is not None and dead.lag(None) > 1 else None
            self._dead = Aside(dead, None if end is None else dead.read(before, 1)[0])
        return self._dead


def _opened(folder: Path, options: SpoolOptions) -> SpoolWriter:
    try:
        return SpoolWriter(folder, options)
    except OSError as error:
        raise StreamError(f"{folder} cannot be written: {error.strerror}") from None


def _number(offset: str) -> int:
    number, rest = position(offset)
    if rest or number > 1 << 62:
        raise StreamError(f"'{offset[:40]}' is no offset of a spool; expected the number of a record")
    return number
