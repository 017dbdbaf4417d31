"""Sign-off: a winner waits, under the alias @pending, until somebody approves or rejects it.

An approval is for the bytes that were judged and against the champion they were judged against; if either is another
by now, it is refused, and the next release judges anew. Who asked, who answered and why stand in the promotion log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qatflow.errors import PromotionError
from qatflow.release.log import Change, Entry, PromotionLog
from qatflow.release.ports import Registry
from qatflow.release.promote import apply, checked, named, pending, reconcile

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
) -> Entry:
    """Let `version` wait for approval; the champion stays. One that waited before waits no more.

    Args:
        expected: Version that the caller judged it against; None for no champion.
        gates: What the decision rests on; `gates["approved"]` becomes the gates of its promotion.

    Raises:
        PromotionError: If another version is champion, or `version` is it already or does not exist.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        sha256 = checked(registry, log, version, expected)
        return apply(registry, log, Change("hold", version, expected, sha256, who, why, gates))


def approve(registry: Registry, log: PromotionLog, version: int | None, *, who: str, why: str) -> Entry:
    """Make the version that waits the champion.

    Args:
        version: Which one the caller means; None for the one that waits.

    Raises:
        PromotionError: If none or another waits, its bytes are others now, or the champion changed since.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        present = reconcile(registry, log)
        held = _held(registry, log, version)
        if present != held.from_version:
            raise PromotionError(
                f"Version {held.version} of {registry.name} was judged against {named(held.from_version)}, but the "
                f"champion is {named(present)} now; run `qatflow run` to judge it again, or reject it"
            )
        if registry.version(held.version).sha256 != held.model_sha256:
            raise PromotionError(f"Version {held.version} of {registry.name} is not the model that was judged")
        gates = {**held.gates.get(APPROVED, {}), "approves": held.seq, "held_by": held.who}
        return apply(registry, log, Change("promote", held.version, present, held.model_sha256, who, why, gates))


def reject(registry: Registry, log: PromotionLog, version: int | None, *, who: str, why: str) -> Entry:
    """Let the version that waits wait no more. No later release promotes the same bytes by itself.

    Raises:
        PromotionError: If none or another waits.
        TrackingError: If the registry does not answer.
    """
    with log.locked():
        present = reconcile(registry, log)
        held = _held(registry, log, version)
        change = Change("reject", held.version, present, held.model_sha256, who, why, {"rejects": held.seq})
        return apply(registry, log, change)


def _held(registry: Registry, log: PromotionLog, version: int | None) -> Entry:
    held = pending(log.read())
    if held is None:
        raise PromotionError(f"Nothing of {registry.name} waits for approval")
    if version not in {None, held.version}:
        raise PromotionError(
            f"Version {version} of {registry.name} does not wait for approval; version {held.version} does"
        )
    return held
