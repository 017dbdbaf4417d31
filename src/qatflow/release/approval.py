"""Sign-off: a winner waits, under the alias @pending, until somebody approves or rejects it.

An approval is for the bytes that were judged and against the champion they were judged against; if either is another
by now, it is refused, and the next release judges anew. Who asked, who answered and why stand in the promotion log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qatflow.errors import PromotionError
from qatflow.release import kept
from qatflow.release.aliases import State, settle
from qatflow.release.log import Change, Entry, PromotionLog
from qatflow.release.past import pending
from qatflow.release.ports import Registry
from qatflow.release.promote import checked, named

APPROVED = "approved"
"""Name in a held entry's gates of what the entry of its promotion will hold."""


def hold(  # noqa: PLR0913 (a compare-and-swap, and who answers for it)
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
    """Let `version` wait for approval; the champion stays. One that waited before waits no more.

    Args:
        expected: Version that the caller judged it against; None for no champion.
        gates: What the decision rests on; `gates["approved"]` becomes the gates of its promotion.
        by_hand: As `qatflow.release.promote.promote`.

    Raises:
        PromotionError: If another version is champion, or `version` is it already or does not exist.
        TrackingError: If the registry does not answer.
    """

    def decide(state: State) -> Change:
        sha256 = checked(registry, log, state, version, expected, by_hand=by_hand)
        return Change("hold", version, expected, sha256, who, why, gates)

    return settle(registry, log, decide)


def approve(registry: Registry, log: PromotionLog, version: int | None, *, who: str, why: str) -> Entry:
    """Make the version that waits the champion.

    Args:
        version: Which one the caller means; None for the one that waits.

    Raises:
        PromotionError: If none or another waits, its bytes are others now, or the champion changed since.
        TrackingError: If the registry does not answer.
    """

    def decide(state: State) -> Change:
        held = _held(registry, state, version)
        if state.problem or state.alias != held.from_version:
            raise PromotionError(
                f"Version {held.version} of {registry.name} was judged against {named(held.from_version)}, but the "
                f"champion is {named(state.alias)} now; run `qatflow run` to judge it again, or reject it"
            )
        found = registry.version(held.version)
        if found.sha256 != held.model_sha256:
            raise PromotionError(f"Version {held.version} of {registry.name} is not the model that was judged")
        kept.keep(registry, log, found)
        gates = {**held.gates.get(APPROVED, {}), "approves": held.seq, "held_by": held.who}
        return Change("promote", held.version, state.replaced, held.model_sha256, who, why, gates)

    return settle(registry, log, decide)


def reject(registry: Registry, log: PromotionLog, version: int | None, *, who: str, why: str) -> Entry:
    """Let the version that waits wait no more. No later release promotes the same bytes by itself.

    Raises:
        PromotionError: If none or another waits.
        TrackingError: If the registry does not answer.
    """

    def decide(state: State) -> Change:
        held = _held(registry, state, version)
        return Change("reject", held.version, state.alias, held.model_sha256, who, why, {"rejects": held.seq})

    return settle(registry, log, decide)


def _held(registry: Registry, state: State, version: int | None) -> Entry:
    held = pending(state.entries)
    if held is None:
        raise PromotionError(f"Nothing of {registry.name} waits for approval")
    if version not in {None, held.version}:
        raise PromotionError(
            f"Version {version} of {registry.name} does not wait for approval; version {held.version} does"
        )
    return held
