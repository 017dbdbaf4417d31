"""Keeps the registry's aliases in step with the promotion log, and adopts what others changed there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qatflow.errors import ArtifactError, PromotionError
from qatflow.release import kept
from qatflow.release.log import Change, Entry, PromotionLog, whoami
from qatflow.release.past import Link, candidates, changes, pending, succession, withdrawn
from qatflow.release.ports import CHAMPION, PENDING, PREVIOUS, Registry
from qatflow.release.shared import claim, synced

ADOPTED = "the alias was set outside of this log"


@dataclass(frozen=True)
class State:
    """Log and registry, in step.

    Attributes:
        entries: The whole log.
        alias: Version that @champion points at; None if it points at none.
        serving: Digest of that version, of the log's champion if there is no alias; empty if it is not known.
        problem: Why what @champion points at cannot be champion; empty if it is the log's champion.
    """

    entries: list[Entry]
    alias: int | None
    serving: str
    problem: str = ""

    @property
    def head(self) -> Link | None:
        """Return the log's champion."""
        return next(reversed(succession(self.entries)), None)

    @property
    def replaced(self) -> int | None:
        """Return what a promotion replaces: the log's champion, or none if that lost its alias."""
        return self.head.version if self.problem and self.head else self.alias


def settle(registry: Registry, log: PromotionLog, decide: Callable[[State], Change]) -> Entry:
    """Let `decide` answer the present state with a change, anew as often as another came in between; then publish it.

    Raises:
        PromotionError: As `decide`, if the log was altered, or if the version was deleted at the same moment.
        TrackingError: If the registry does not answer; if the log was written by then, the next call completes it.
    """
    with log.locked():
        while True:
            state = reconcile(registry, log)
            entry = claim(registry, log, decide(state), state.entries)
            if entry is not None:
                break
        done = publish(registry, log)
        _forget(log)
        if not done:
            raise PromotionError(
                f"Version {entry.version} of {registry.name} was deleted while it was made champion; "
                "`qatflow rollback` brings back the one before"
            )
    return entry


def reconcile(registry: Registry, log: PromotionLog) -> State:
    """Complete what a crash left undone, adopt what others changed, and return what holds.

    Call it under the log's lock.

    Raises:
        PromotionError: If the log was altered.
        TrackingError: If the registry does not answer.
    """
    while True:
        entries, published = synced(registry, log)
        alias = registry.aliases().get(CHAMPION)
        head = next(reversed(changes(entries)), None)
        if entries and entries[-1].seq > published and _is_ours(head, published, alias):
            publish(registry, log)
            continue
        state = State(entries, alias, head.model_sha256 if head else "")
        if alias is None:
            return state
        serving, problem = _look(registry, log, alias, state)
        state = State(entries, alias, serving, problem)
        if problem and entries and entries[-1].seq > published:  # what the log decided takes the place of no champion
            publish(registry, log)
            continue
        if problem or (head and (alias, serving) == (head.version, head.model_sha256)):
            return state
        if claim(registry, log, _adoption(registry, state, alias), entries):
            publish(registry, log)


def publish(registry: Registry, log: PromotionLog) -> bool:
    """Bring the aliases to what the log says, and note that they are. What is gone from the registry is skipped.

    A clone that was slower may have set the alias after a faster one: the log is read again, until nothing is new.

    Returns:
        Whether @champion points at the log's champion, where the log has a new one.
    """
    done, seen = True, None
    while True:
        entries, published = synced(registry, log)
        if seen == len(entries):
            return done
        if seen is not None or any(entry.seq > published for entry in changes(entries)):
            done = _point_champion(registry, entries)
        _point_pending(registry, entries)
        registry.mark_published(len(entries))
        log.set_published(entries[-1])
        seen = len(entries)


def _is_ours(head: Entry | None, published: int, alias: int | None) -> bool:
    """Return whether the alias is what this log left it at, so that it may be moved to what the log says."""
    return head is None or head.seq <= published or alias in {None, head.from_version, head.version}


def _look(registry: Registry, log: PromotionLog, alias: int, state: State) -> tuple[str, str]:
    """Return the digest of the version that @champion points at, empty if unknown, and why it cannot be champion."""
    head, where = state.head, f"@champion of {registry.name} points at version {alias}"
    back = f"`qatflow rollback` brings back version {head.version}" if head else "`qatflow promote` replaces it"
    try:
        version = registry.version(alias)
        if head is None or (alias, version.sha256) != (head.version, head.sha256):
            kept.keep(registry, log, version)
    except (PromotionError, ArtifactError) as error:
        return "", f"{where}, which cannot be champion: {error}; {back}"
    reason = withdrawn(state.entries).get(version.sha256)
    return version.sha256, f"{where}, a model that was withdrawn: {reason}; {back}" if reason else ""


def _adoption(registry: Registry, state: State, alias: int) -> Change:
    """Return the change by which a version that others made champion enters the log."""
    if state.head is not None:
        return Change("adopt", alias, state.head.version, state.serving, whoami(), ADOPTED, {})
    gates, former = {}, registry.aliases().get(PREVIOUS)
    if former is not None:
        try:
            gates["from_sha256"] = registry.version(former).sha256
        except PromotionError:
            former = None
    return Change("adopt", alias, former, state.serving, whoami(), ADOPTED, gates)


def _point_champion(registry: Registry, entries: list[Entry]) -> bool:
    """Set @champion and @previous; return whether the champion is there."""
    champion = succession(entries)[-1]
    if not _set(registry, CHAMPION, champion):
        return False
    if not any(_set(registry, PREVIOUS, link) for link in candidates(entries, champion.sha256)):
        registry.delete_alias(PREVIOUS)
    return True


def _set(registry: Registry, alias: str, link: Link) -> bool:
    """Point an alias at a link's version; return whether that is in the registry and still the same model."""
    try:
        if not link.is_model(Link(link.version, registry.version(link.version).sha256)):
            return False
        registry.set_alias(alias, link.version)
    except PromotionError:  # deleted
        return False
    return True


def _point_pending(registry: Registry, entries: list[Entry]) -> None:
    held = pending(entries)
    if held is not None and _set(registry, PENDING, Link(held.version, held.model_sha256)):
        return
    if any(entry.action == "hold" for entry in entries):
        registry.delete_alias(PENDING)


def _forget(log: PromotionLog) -> None:
    """Keep the bundles of the last champions, and of what waits."""
    entries = log.read()
    held = pending(entries)
    line = [link.sha256 for link in succession(entries)]
    kept.forget(log, [*dict.fromkeys(reversed(line))][: kept.KEPT] + ([held.model_sha256] if held else []))
