"""Makes a version the champion, and takes that back. The log is written ahead of the aliases and is the truth.

Order of one change, under the log's lock: entry in the log, alias @champion, alias @previous, note that the entry is
published. A crash in between leaves the last entry unpublished, and the next call completes the change.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from qatflow.errors import PromotionError
from qatflow.release.log import Change, Entry, PromotionLog
from qatflow.release.ports import CHAMPION, PREVIOUS, Registry


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
        present = _reconcile(registry, log)
        if present != expected:
            raise PromotionError(
                f"Champion of {registry.name} is {_named(present)}, not {_named(expected)}: "
                "another promotion came first. Look at `qatflow history`, then decide again."
            )
        if present == version:
            raise PromotionError(f"Version {version} of {registry.name} is the champion already")
        sha256 = registry.version(version).sha256
        return _apply(registry, log, Change("promote", version, present, sha256, who, why, gates))


def rollback(registry: Registry, log: PromotionLog, *, who: str, why: str, withdraw: bool = True) -> Entry:
    """Make the version champion again that the present one replaced.

    Args:
        withdraw: Whether the present champion is bad, so that no later release may promote the same bytes by itself.

    Raises:
        PromotionError: If there is no champion, it replaced none, or what it replaced was deleted.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        present = _reconcile(registry, log)
        line = succession(log.read())
        if present is None or len(line) < 2:
            raise PromotionError(
                f"Nothing to roll back: champion of {registry.name} is {_named(present)}, and it replaced no other"
            )
        sha256 = registry.version(line[-2]).sha256
        return _apply(registry, log, Change("rollback", line[-2], present, sha256, who, why, {"withdrawn": withdraw}))


def champion(registry: Registry, log: PromotionLog) -> int | None:
    """Return the champion's version, after completing what a crash left undone.

    Raises:
        PromotionError: If the log was altered.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        return _reconcile(registry, log)


def history(log: PromotionLog) -> list[Entry]:
    """Return all promotions, newest first.

    Raises:
        PromotionError: If the log was altered.
    """
    return log.read()[::-1]


def succession(entries: Iterable[Entry]) -> list[int]:
    """Return the champions that stand behind each other; the last is the present one, each replaced the one before."""
    line: list[int] = []
    for entry in entries:
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
    """Return digest -> reason of every model that was rolled back as bad and not promoted since."""
    champion_sha256 = ""
    found: dict[str, str] = {}
    for entry in entries:
        if entry.action == "rollback" and entry.gates["withdrawn"]:
            found[champion_sha256] = f"{entry.who} rolled it back ({entry.why}); `qatflow promote` can bring it back"
        champion_sha256 = entry.model_sha256
        found.pop(champion_sha256, None)
    return found


def whoami() -> str:
    """Return user@host for the log."""
    user = str(os.getuid())
    with suppress(OSError, KeyError):  # a container's user may have no name
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()}"


def _apply(registry: Registry, log: PromotionLog, change: Change) -> Entry:
    log.append(change)
    return _publish(registry, log)


def _publish(registry: Registry, log: PromotionLog) -> Entry:
    """Bring the aliases to what the log says, and note that they are."""
    entries = log.read()
    line = succession(entries)
    registry.set_alias(CHAMPION, line[-1])
    if len(line) > 1:
        registry.set_alias(PREVIOUS, line[-2])
    else:
        registry.delete_alias(PREVIOUS)
    log.set_published(entries[-1])
    return entries[-1]


def _reconcile(registry: Registry, log: PromotionLog) -> int | None:
    """Complete what a crash left undone, adopt what others changed, and return the champion's version."""
    entries, aliases = log.read(), registry.aliases()
    alias = aliases.get(CHAMPION)
    if not entries:
        return alias if alias is None else _adopt(registry, log, alias, aliases.get(PREVIOUS))
    tail = entries[-1]
    if log.published() != tail.sha256 and alias in {tail.from_version, tail.version}:
        return _publish(registry, log).version
    return alias if alias in {None, tail.version} else _adopt(registry, log, alias, tail.version)


def _adopt(registry: Registry, log: PromotionLog, alias: int, from_version: int | None) -> int:
    sha256 = registry.version(alias).sha256
    why = "the alias was set outside of this log"
    return _apply(registry, log, Change("adopt", alias, from_version, sha256, whoami(), why, {})).version


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
