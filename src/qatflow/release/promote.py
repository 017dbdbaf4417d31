"""Makes a version the champion, and takes that back. The log is written ahead of the aliases and is the truth.

Order of one change: all that it needs is checked, the entry takes its number in the registry's log (there it comes
true, or another came first), the project's copy, alias @champion, aliases @previous and @pending, a note that the entry
is published. A crash in between leaves the last entry unpublished, and the next call, of any clone, completes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qatflow.errors import ArtifactError, PromotionError
from qatflow.release import kept
from qatflow.release.aliases import State, reconcile, settle
from qatflow.release.log import Change, Entry, PromotionLog
from qatflow.release.past import Link, candidates, withdrawn
from qatflow.release.ports import Registry


def promote(  # noqa: PLR0913 (a compare-and-swap, and who answers for it)
    registry: Registry,
    log: PromotionLog,
    version: int,
    expected: int | None,
    *,
    who: str,
    why: str,
    gates: Mapping[str, Any],
    by_hand: bool = True,
) -> Entry:
    """Make `version` the champion if the present one is `expected` (compare-and-swap among all clones).

    Args:
        expected: Version that the caller believes to be champion; None for no champion.
        gates: What the decision rests on; kept in the log.
        by_hand: Whether a person decides, who may bring back what was withdrawn; a machine may not.

    Raises:
        PromotionError: If another version is champion, or `version` is it already, does not exist or is not whole.
        ArtifactError: If its files are not those that were registered.
        TrackingError: If the registry does not answer; if the log was written by then, the next call completes it.
    """

    def decide(state: State) -> Change:
        sha256 = checked(registry, log, state, version, expected, by_hand=by_hand)
        return Change("promote", version, state.replaced, sha256, who, why, gates)

    return settle(registry, log, decide)


def checked(
    registry: Registry, log: PromotionLog, state: State, version: int, expected: int | None, *, by_hand: bool
) -> str:
    """Return the digest of a version that may challenge the champion, if that is the expected one.

    Raises:
        PromotionError: As `promote`.
    """
    if state.problem and not by_hand:
        raise PromotionError(state.problem)
    if state.alias != expected:
        raise PromotionError(
            f"Champion of {registry.name} is {named(state.alias)}, not {named(expected)}: "
            "another promotion came first. Look at `qatflow history`, then decide again."
        )
    if state.alias == version and not state.problem:
        raise PromotionError(f"Version {version} of {registry.name} is the champion already")
    found = registry.version(version)
    if not by_hand and found.sha256 in (bad := withdrawn(state.entries)):
        raise PromotionError(f"Version {version} of {registry.name} was withdrawn: {bad[found.sha256]}")
    kept.keep(registry, log, found)
    return found.sha256


def rollback(registry: Registry, log: PromotionLog, *, who: str, why: str, withdraw: bool = True) -> Entry:
    """Make the latest former champion that is still there the champion again.

    One whose version was deleted is registered anew from the project's copy, if nothing else can be brought back.

    Args:
        withdraw: Whether the present champion is bad, so that no later release may promote the same bytes by itself.

    Raises:
        PromotionError: If there is none.
        TrackingError: If the registry does not answer.
    """

    def decide(state: State) -> Change:
        back = _former(registry, log, state)
        present = state.head.version if state.head else state.alias
        return Change("rollback", back.version, present, back.sha256, who, why, {"withdrawn": withdraw})

    return settle(registry, log, decide)


def champion(registry: Registry, log: PromotionLog) -> int | None:
    """Return the champion's version, after completing what a crash left undone.

    Raises:
        PromotionError: If the log was altered, or the alias points at what cannot be champion.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        state = reconcile(registry, log)
    if state.problem:
        raise PromotionError(state.problem)
    return state.alias


def pointed_at(registry: Registry, log: PromotionLog) -> int | None:
    """Return what @champion points at, be it what it may: a person who promotes by hand replaces it.

    Raises:
        PromotionError: If the log was altered.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        return reconcile(registry, log).alias


def history(log: PromotionLog) -> list[Entry]:
    """Return all promotions that this clone knows, newest first.

    Raises:
        PromotionError: If the log was altered.
    """
    return log.read()[::-1]


def named(version: int | None) -> str:
    """Return "version 3", or "none"."""
    return "none" if version is None else f"version {version}"


def _former(registry: Registry, log: PromotionLog, state: State) -> Link:
    links = candidates(state.entries, state.serving)
    for find in (_registered, _anew):
        for link in links:
            found = find(registry, log, link)
            if found is not None:
                return found
    gone = f"; {', '.join(named(link.version) for link in links)} of the log is no longer there" if links else ""
    raise PromotionError(
        f"Nothing to roll back: champion of {registry.name} is {named(state.alias)}, and it replaced no other{gone}. "
        "`qatflow promote VERSION` makes another one champion"
    )


def _registered(registry: Registry, log: PromotionLog, link: Link) -> Link | None:
    """Return a link whose version is in the registry, still the same model, and whole."""
    try:
        version = registry.version(link.version)
        if not link.is_model(Link(version.number, version.sha256)):
            return None
        kept.keep(registry, log, version)
    except (PromotionError, ArtifactError):
        return None
    return Link(version.number, version.sha256)


def _anew(registry: Registry, log: PromotionLog, link: Link) -> Link | None:
    """Return a link whose model is registered anew, under another number, from the project's copy."""
    number = kept.bring_back(registry, log, link.sha256) if link.sha256 else None
    return None if number is None else _registered(registry, log, Link(number, link.sha256))
