"""Makes a version the champion, and takes that back. The log is written ahead of the aliases and is the truth.

Order of one change, under the log's lock: entry in the log, alias @champion, alias @previous, alias @pending, note that
the entry is published. A crash in between leaves the last entry unpublished, and the next call completes the change.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from qatflow.errors import PromotionError
from qatflow.release.log import CHANGES, Change, Entry, PromotionLog
from qatflow.release.ports import CHAMPION, PENDING, PREVIOUS, Registry


def promote(  # noqa: PLR0913 (a compare-and-swap, and who answers for it)
    registry: Registry,
    log: PromotionLog,
    version: int,
    expected: int | None,
    *,
    who: str,
    why: str,
    gates: Mapping[str, Any],
) -> Entry:
    """Make `version` the champion if the present one is `expected` (compare-and-swap).

    Args:
        expected: Version that the caller believes to be champion; None for no champion.
        gates: What the decision rests on; kept in the log.

    Raises:
        PromotionError: If another version is champion, or `version` is it already or does not exist.
        TrackingError: If the registry does not answer; if the log was written by then, the next call completes it.
    """
    with log.locked():
        sha256 = checked(registry, log, version, expected)
        return apply(registry, log, Change("promote", version, expected, sha256, who, why, gates))


def checked(registry: Registry, log: PromotionLog, version: int, expected: int | None) -> str:
    """Return the digest of a version that may challenge the champion, if that is the expected one; call it locked.

    Raises:
        PromotionError: If another version is champion, or `version` is it already or does not exist.
        TrackingError: If the registry does not answer.
    """
    present = reconcile(registry, log)
    if present != expected:
        raise PromotionError(
            f"Champion of {registry.name} is {named(present)}, not {named(expected)}: "
            "another promotion came first. Look at `qatflow history`, then decide again."
        )
    if present == version:
        raise PromotionError(f"Version {version} of {registry.name} is the champion already")
    return registry.version(version).sha256


def rollback(registry: Registry, log: PromotionLog, *, who: str, why: str, withdraw: bool = True) -> Entry:
    """Make the version champion again that the present one replaced.

    Args:
        withdraw: Whether the present champion is bad, so that no later release may promote the same bytes by itself.

    Raises:
        PromotionError: If there is no champion, it replaced none, or what it replaced was deleted.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        present = reconcile(registry, log)
        line = succession(log.read())
        if present is None or len(line) < 2:
            raise PromotionError(
                f"Nothing to roll back: champion of {registry.name} is {named(present)}, and it replaced no other"
            )
        sha256 = registry.version(line[-2]).sha256
        return apply(registry, log, Change("rollback", line[-2], present, sha256, who, why, {"withdrawn": withdraw}))


def champion(registry: Registry, log: PromotionLog) -> int | None:
    """Return the champion's version, after completing what a crash left undone.

    Raises:
        PromotionError: If the log was altered.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        return reconcile(registry, log)


def history(log: PromotionLog) -> list[Entry]:
    """Return all promotions, newest first.

    Raises:
        PromotionError: If the log was altered.
    """
    return log.read()[::-1]


def succession(entries: Iterable[Entry]) -> list[int]:
    """Return the champions that stand behind each other; the last is the present one, each replaced the one before."""
    line: list[int] = []
    for entry in changes(entries):
        if entry.action == "rollback":
            line.pop()
            continue
        if line[-1:] != [entry.from_version]:  # others changed the registry since
            line = [] if entry.from_version is None else [entry.from_version]
        line.append(entry.version)
    return line


def former(entries: Iterable[Entry]) -> str | None:
    """Return the digest of the model that a rollback would bring back; None if there is none."""
    entries = list(entries)
    line = succession(entries)
    if len(line) < 2:
        return None
    return next((entry.model_sha256 for entry in reversed(entries) if entry.version == line[-2]), None)


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


def changes(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that changed the champion."""
    return [entry for entry in entries if entry.action in CHANGES]


def pending(entries: Iterable[Entry]) -> Entry | None:
    """Return the entry of the version that waits for approval, if one does. A new one takes the place of a former."""
    held: Entry | None = None
    for entry in entries:
        if entry.action == "hold":
            held = entry
        elif held is not None and entry.version == held.version:  # rejected, or champion by now
            held = None
    return held


def whoami() -> str:
    """Return user@host for the log."""
    user = str(os.getuid())
    with suppress(OSError, KeyError):  # a container's user may have no name
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()}"


def apply(registry: Registry, log: PromotionLog, change: Change) -> Entry:
    """Write a change to the log, then bring the registry to it. Call it under the log's lock."""
    log.append(change)
    return _publish(registry, log)


def reconcile(registry: Registry, log: PromotionLog) -> int | None:
    """Complete what a crash left undone, adopt what others changed, and return the champion's version.

    Call it under the log's lock.
    """
    entries, aliases = log.read(), registry.aliases()
    alias, changed = aliases.get(CHAMPION), changes(entries)
    published = _published(entries, log)
    if not changed:
        _complete(registry, log, entries, published)
        return alias if alias is None else _adopt(registry, log, alias, aliases.get(PREVIOUS))
    tail = changed[-1]
    if tail.seq > published and alias in {tail.from_version, tail.version}:
        _publish(registry, log)
        return tail.version
    if alias not in {None, tail.version}:
        return _adopt(registry, log, alias, tail.version)
    if tail.seq <= published:
        _complete(registry, log, entries, published)
    return alias


def named(version: int | None) -> str:
    """Return "version 3", or "none"."""
    return "none" if version is None else f"version {version}"


def _complete(registry: Registry, log: PromotionLog, entries: list[Entry], published: int) -> None:
    """Bring @pending to what the log says if a crash left it behind."""
    if len(entries) > published:
        _publish(registry, log)


def _publish(registry: Registry, log: PromotionLog) -> Entry:
    """Bring the aliases to what the log says, and note that they are."""
    entries = log.read()
    changed, published = changes(entries), _published(entries, log)
    if changed and changed[-1].seq > published:
        line = succession(entries)
        registry.set_alias(CHAMPION, line[-1])
        if len(line) > 1:
            registry.set_alias(PREVIOUS, line[-2])
        else:
            registry.delete_alias(PREVIOUS)
    _publish_pending(registry, entries)
    log.set_published(entries[-1])
    return entries[-1]


def _publish_pending(registry: Registry, entries: list[Entry]) -> None:
    held = pending(entries)
    if held is not None:
        registry.set_alias(PENDING, held.version)
    elif any(entry.action == "hold" for entry in entries):
        registry.delete_alias(PENDING)


def _published(entries: list[Entry], log: PromotionLog) -> int:
    """Return the number of the last entry that reached the registry, 0 if none did."""
    sha256 = log.published()
    return next((entry.seq for entry in entries if entry.sha256 == sha256), 0)


def _adopt(registry: Registry, log: PromotionLog, alias: int, from_version: int | None) -> int:
    sha256 = registry.version(alias).sha256
    why = "the alias was set outside of this log"
    return apply(registry, log, Change("adopt", alias, from_version, sha256, whoami(), why, {})).version
