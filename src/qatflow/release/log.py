"""The append-only promotion log: who made which version champion, when and why. A hash chain over JSON lines.

The registry holds the same lines (`release.shared`): there an entry comes true, here it can be read without a server.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from qatflow.artifacts import digest, fsync_directory, write_text
from qatflow.errors import PromotionError

Action = Literal["promote", "rollback", "adopt", "hold", "reject"]
CHANGES = ("promote", "rollback", "adopt")
"""Actions that change the champion; the others say what waits to become it, and what no longer does."""
REPAIR = "`qatflow history --repair` brings back the registry's copy and sets this one aside"


@dataclass(frozen=True)
class Entry:
    """One line of the log.

    Attributes:
        seq: 1 for the first line, then one more for each.
        previous_sha256: `sha256` of the line before; empty for the first.
        action: `adopt` records a change that others made in the registry; `hold` and `reject` change no champion.
        version: Champion from here on; of `hold` and `reject` the version that waits or no longer does.
        from_version: Champion before; None if there was none.
        model_sha256: Digest of that version's flatbuffer.
        when: UTC, ISO 8601.
        gates: The gate report, or whatever else was decided on.
        sha256: Digest of all other fields.
    """

    seq: int
    previous_sha256: str
    action: Action
    version: int
    from_version: int | None
    model_sha256: str
    who: str
    when: str
    why: str
    gates: Mapping[str, Any]
    sha256: str = ""

    def content(self) -> dict[str, Any]:
        """Return all fields but the digest."""
        return {name: value for name, value in vars(self).items() if name != "sha256"}

    def line(self) -> str:
        """Return the entry as it is written, without the line's end."""
        return json.dumps(vars(self), sort_keys=True, allow_nan=False)


@dataclass(frozen=True)
class Change:
    """What a new entry says; the log adds the chain and the time."""

    action: Action
    version: int
    from_version: int | None
    model_sha256: str
    who: str
    why: str
    gates: Mapping[str, Any]


def parse(line: str | bytes, number: int, before: Entry | None, place: str) -> Entry:
    """Return the entry of a line that follows `before`; `place` says where it stands.

    Raises:
        PromotionError: If it was altered, or does not follow.
    """
    entry = whole(line)
    if entry is None:
        raise PromotionError(f"{place} line {number} was altered; {REPAIR}")
    if (entry.previous_sha256, entry.seq) != (before.sha256 if before else "", number):
        raise PromotionError(f"{place}: what stood before line {number} was altered or removed; {REPAIR}")
    return entry


def whole(line: str | bytes) -> Entry | None:
    """Return the entry of a line whose digest is right."""
    try:
        entry = Entry(**json.loads(line))
        return entry if entry.sha256 == digest(entry.content()) else None
    except (TypeError, ValueError, RecursionError):
        return None


def whoami() -> str:
    """Return user@host for the log."""
    user = str(os.getuid())
    with suppress(OSError, KeyError):  # a container's user may have no name
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()}"


class PromotionLog:
    """The log of one registered model, in `<root>/.qatflow/promotions/<name>.jsonl`.

    Beside it lies `<name>.published`, the digest of an entry that it must hold: what was cut off behind is missed.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / ".qatflow" / "promotions" / f"{name}.jsonl"
        self._mark = self.path.with_suffix(".published")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process of this project out until the block ends, however it ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self) -> list[Entry]:
        """Return all entries, oldest first. A last line without its end was torn by a crash and does not count.

        Raises:
            PromotionError: If a line was altered or removed; the message names it.
        """
        entries: list[Entry] = []
        for number, line in enumerate(self.lines(), start=1):
            entries.append(parse(line, number, entries[-1] if entries else None, str(self.path)))
        mark = self.published()
        if mark and all(entry.sha256 != mark for entry in entries):
            raise PromotionError(
                f"{self.path} lacks entry {mark[:12]}…, which it had: its end was cut off, or it was altered; {REPAIR}"
            )
        return entries

    def lines(self) -> list[bytes]:
        """Return the lines as they stand in the file, without those that have no end."""
        return self._content().split(b"\n")[:-1]

    def salvaged(self) -> list[Entry]:
        """Return the whole entries of a damaged log, up to the first that is not or does not follow."""
        entries: list[Entry] = []
        for number, line in enumerate(self._content().split(b"\n"), start=1):
            try:
                entries.append(parse(line, number, entries[-1] if entries else None, ""))
            except PromotionError:
                break
        return entries

    def draft(self, change: Change, entries: list[Entry]) -> Entry:
        """Return the entry that would follow `entries`, all there are."""
        entry = Entry(
            seq=len(entries) + 1,
            previous_sha256=entries[-1].sha256 if entries else "",
            when=datetime.now(UTC).isoformat(timespec="microseconds"),
            **vars(change),
        )
        return Entry(**entry.content(), sha256=digest(entry.content()))

    def write(self, entry: Entry) -> None:
        """Write the next entry durably. What a crash tore off is cut away first, and so is a line that fails.

        Call it under `locked`.

        Raises:
            OSError: If the disk is full; the log is then as before.
        """
        end = self._content().rfind(b"\n") + 1
        try:
            with self.path.open("ab") as file:
                file.truncate(end)
                file.write(entry.line().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            os.truncate(self.path, end)
            raise
        fsync_directory(self.path.parent)

    def published(self) -> str:
        """Return the digest of the last entry that reached the registry's aliases; empty if none did.

        Raises:
            PromotionError: If the mark is damaged.
        """
        mark = self._mark.read_bytes() if self._mark.exists() else b""
        if not re.fullmatch(rb"[0-9a-f]{64}|", mark):
            raise PromotionError(f"{self._mark} is damaged (expected a SHA-256); {REPAIR}")
        return mark.decode()

    def set_published(self, entry: Entry) -> None:
        """Record that the registry's aliases say what `entry` says."""
        write_text(self._mark, entry.sha256)

    def set_aside(self) -> Path | None:
        """Rename the log and forget its mark; return where it lies now, None if there was none."""
        self._mark.unlink(missing_ok=True)
        aside = self.path.with_name(f"{self.path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        with suppress(FileNotFoundError):
            return self.path.rename(aside)
        return None

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""
