"""The append-only promotion log: who made which version champion, when and why. A hash chain over JSON lines."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from qatflow.artifacts import digest, fsync_directory, write_text
from qatflow.errors import PromotionError

Action = Literal["promote", "rollback", "adopt", "hold", "reject"]
CHANGES = ("promote", "rollback", "adopt")
"""Actions that change the champion; the others say what waits to become it, and what no longer does."""


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
        return {name: value for name, value in asdict(self).items() if name != "sha256"}


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


class PromotionLog:
    """The log of one registered model, in `<root>/.qatflow/promotions/<name>.jsonl`."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / ".qatflow" / "promotions" / f"{name}.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process out until the block ends, however it ends."""
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
        for number, line in enumerate(self._content().split(b"\n")[:-1], start=1):
            entries.append(self._parse(line, number, entries[-1].sha256 if entries else ""))
        return entries

    def append(self, change: Change) -> Entry:
        """Write an entry durably and return it. Call it under `locked`.

        Raises:
            PromotionError: If the log was altered.
            OSError: If the disk is full; the log is then as before.
        """
        entries = self.read()
        entry = Entry(
            seq=len(entries) + 1,
            previous_sha256=entries[-1].sha256 if entries else "",
            when=datetime.now(UTC).isoformat(timespec="milliseconds"),
            **vars(change),
        )
        entry = Entry(**entry.content(), sha256=digest(entry.content()))
        self._write(json.dumps(asdict(entry), sort_keys=True, allow_nan=False).encode() + b"\n")
        return entry

    def published(self) -> str:
        """Return the digest of the last entry that reached the registry; empty if none did."""
        path = self.path.with_suffix(".published")
        return path.read_text() if path.exists() else ""

    def set_published(self, entry: Entry) -> None:
        """Record that the registry's aliases say what `entry` says."""
        write_text(self.path.with_suffix(".published"), entry.sha256)

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _write(self, line: bytes) -> None:
        """Append behind the last whole line; what a crash tore off is cut away first, and so is a line that fails."""
        whole = self._content().rfind(b"\n") + 1
        try:
            with self.path.open("ab") as file:
                file.truncate(whole)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            os.truncate(self.path, whole)
            raise
        fsync_directory(self.path.parent)

    def _parse(self, line: bytes, number: int, previous: str) -> Entry:
        try:
            entry = Entry(**json.loads(line))
            whole = entry.sha256 == digest(entry.content())
        except (TypeError, ValueError):
            whole = False
        if not whole:
            raise PromotionError(f"{self.path} line {number} was altered; bring the file back from a backup")
        if entry.previous_sha256 != previous or entry.seq != number:
            raise PromotionError(f"{self.path}: what stood before line {number} was altered or removed; use a backup")
        return entry
