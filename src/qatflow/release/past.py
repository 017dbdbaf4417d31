"""What the promotion log says: who is champion, which models it replaced, what waits and what was withdrawn. Pure.

A model's digest says which one it is; a version's number may come to mean another model, in a registry that was
restored from a backup or made anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qatflow.release.log import CHANGES, Entry


@dataclass(frozen=True)
class Link:
    """A champion of the log.

    Attributes:
        sha256: Digest of its flatbuffer; empty for one that was champion before the log began.
    """

    version: int
    sha256: str

    def is_model(self, other: Link) -> bool:
        """Return whether both are the same model."""
        return self.sha256 == other.sha256 if self.sha256 and other.sha256 else self.version == other.version


def changes(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that changed the champion."""
    return [entry for entry in entries if entry.action in CHANGES]


def succession(entries: Iterable[Entry]) -> list[Link]:
    """Return the champions that stand behind each other; the last is the present one, each replaced the one before.

    One that lost its alias, or was deleted, before the next promotion is none that this promotion replaced.
    """
    line: list[Link] = []
    for entry in changes(entries):
        made = Link(entry.version, entry.model_sha256)
        if entry.action == "rollback":
            line = _until(line, made)
        elif entry.from_version is None:
            line = line[:-1]
        elif not line or line[-1].version != entry.from_version:  # champion before the log began
            line = [Link(entry.from_version, str(entry.gates.get("from_sha256", "")))]
        line.append(made)
    return line


def former(entries: Iterable[Entry]) -> str | None:
    """Return the digest of the model that a rollback would bring back, if it is still there; None if there is none."""
    entries = list(entries)
    line = succession(entries)
    return next((link.sha256 for link in candidates(entries, line[-1].sha256 if line else "") if link.sha256), None)


def candidates(entries: Iterable[Entry], serving: str) -> list[Link]:
    """Return the models that a rollback may bring back in place of the digest `serving`, the latest champion first."""
    entries = list(entries)
    refused = {serving, *withdrawn(entries)}
    return [link for link in reversed(succession(entries)) if link.sha256 not in refused]


def withdrawn(entries: Iterable[Entry]) -> dict[str, str]:
    """Return digest -> reason of every model that was rejected or rolled back as bad, and not promoted since."""
    champion_sha256 = ""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.action == "reject":
            found[entry.model_sha256] = f"{entry.who} rejected it ({entry.why}); `qatflow promote` can bring it back"
        if entry.action not in CHANGES:
            continue
        if entry.action == "rollback" and entry.gates["withdrawn"]:
            found[champion_sha256] = f"{entry.who} rolled it back ({entry.why}); `qatflow promote` can bring it back"
        champion_sha256 = entry.model_sha256
        found.pop(champion_sha256, None)
    return found


def pending(entries: Iterable[Entry]) -> Entry | None:
    """Return the entry of the version that waits for approval, if one does. A new one takes the place of a former."""
    held: Entry | None = None
    for entry in entries:
        if entry.action == "hold":
            held = entry
        elif held is not None and entry.model_sha256 == held.model_sha256:  # rejected, or champion by now
            held = None
    return held


def _until(line: list[Link], back: Link) -> list[Link]:
    """Return what stands before the last place of a model in the line; nothing if it has none."""
    places = [place for place, link in enumerate(line) if link.is_model(back)]
    return line[: places[-1]] if places else []
