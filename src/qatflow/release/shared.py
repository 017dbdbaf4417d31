"""The promotion log that all clones of a project share: it lies in the registry, each clone keeps a copy.

An entry comes true when it takes its number in the registry, which gives each number once: of two clones that decide
at the same moment one gets it, the other reads what was decided and decides anew. No lock can be left behind.
"""

from __future__ import annotations

from pathlib import Path

from qatflow.errors import PromotionError
from qatflow.release.log import Change, Entry, PromotionLog, parse
from qatflow.release.past import withdrawn
from qatflow.release.ports import Registry


def synced(registry: Registry, log: PromotionLog) -> tuple[list[Entry], int]:
    """Bring copy and registry to the longer of both, if one begins with the other.

    A copy falls behind when another clone decides; a registry when it is restored from a backup, or is new.
    Call it under the log's lock.

    Returns:
        All entries, and the number of the last one that the registry's aliases once said; 0 if there is none.

    Raises:
        PromotionError: If the copy was altered, or the two part.
        TrackingError: If the registry does not answer.
    """
    own, shared = log.read(), registry.shared_log()
    for number, (mine, theirs) in enumerate(zip(log.lines(), shared.lines, strict=False), start=1):
        if mine != theirs.encode():
            raise _parted(registry, log, number)
    for number, line in enumerate(shared.lines[len(own) :], start=len(own) + 1):
        entry = parse(line, number, own[-1] if own else None, f"The promotion log in the registry of {registry.name},")
        log.write(entry)
        own.append(entry)
    for entry in own[len(shared.lines) :]:
        if not registry.claim(entry.seq, entry.line()):
            raise _parted(registry, log, entry.seq)
    mark = log.published()
    return own, max([shared.published, *(entry.seq for entry in own if entry.sha256 == mark)])


def claim(registry: Registry, log: PromotionLog, change: Change, entries: list[Entry]) -> Entry | None:
    """Let a change that was decided on after `entries` come true; return None if another came first.

    Call it under the log's lock.

    Raises:
        TrackingError: If the registry does not answer; if it heard, the next call finds the entry.
    """
    entry = log.draft(change, entries)
    if not registry.claim(entry.seq, entry.line()):
        return None
    log.write(entry)
    return entry


def withdrawn_anywhere(registry: Registry) -> dict[str, str]:
    """Return digest -> reason of every withdrawn model, as the registry's log alone says it.

    Raises:
        PromotionError: If that log was altered.
        TrackingError: If the registry does not answer.
    """
    return withdrawn(_theirs(registry))


def repair(registry: Registry, log: PromotionLog, who: str) -> tuple[list[Entry], Path | None]:
    """Make the copy whole again from the registry's log; from the copy, if the registry's is lost or damaged.

    A copy that the registry's log does not begin with is set aside; what was withdrawn in it stays withdrawn.

    Returns:
        All entries, and where the former copy lies now, if it was set aside.

    Raises:
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        own = log.salvaged()
        try:
            theirs = _theirs(registry)
        except PromotionError:
            registry.renew_log()
            theirs = []
        if own[: len(theirs)] == theirs and _is_whole(log):
            return synced(registry, log)[0], None
        aside = log.set_aside()
        for entry in own if own[: len(theirs)] == theirs else theirs:
            log.write(entry)
        _withdraw(registry, log, own, theirs, who)
        return synced(registry, log)[0], aside


def _withdraw(registry: Registry, log: PromotionLog, own: list[Entry], theirs: list[Entry], who: str) -> None:
    """Note in the log what was withdrawn in `own` after it parted from `theirs`."""
    common = [entry for entry, other in zip(own, theirs, strict=False) if entry == other]
    bad = {sha256: why for sha256, why in withdrawn(own).items() if sha256 not in withdrawn(common)}
    for entry in {entry.model_sha256: entry for entry in own if entry.model_sha256 in bad}.values():
        entries = synced(registry, log)[0]
        while entry.model_sha256 not in withdrawn(entries):
            why = f"withdrawn in a log that was set aside: {bad[entry.model_sha256]}"
            change = Change("reject", entry.version, entry.from_version, entry.model_sha256, who, why, {})
            claim(registry, log, change, entries)
            entries = synced(registry, log)[0]


def _theirs(registry: Registry) -> list[Entry]:
    entries: list[Entry] = []
    for number, line in enumerate(registry.shared_log().lines, start=1):
        place = f"The promotion log in the registry of {registry.name},"
        entries.append(parse(line, number, entries[-1] if entries else None, place))
    return entries


def _is_whole(log: PromotionLog) -> bool:
    try:
        log.read()
    except PromotionError:
        return False
    return True


def _parted(registry: Registry, log: PromotionLog, number: int) -> PromotionError:
    return PromotionError(
        f"The promotion logs of this project and of the registry of {registry.name} part at entry {number}: another "
        f"project promotes under this name, or one was altered. `qatflow history --repair` goes on with the registry's "
        f"and sets {log.path} aside"
    )
