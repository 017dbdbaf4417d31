"""Which champion of a line is the best: the one that all later ones are held against, so that losses cannot add up.

The first champion is. A later one takes its place only when it was surely better than it, not when it was as good and
cheaper. The promotion log says so in each entry, under `best`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from qatflow.evaluation.answers import difference
from qatflow.release.base import Candidate, Champion
from qatflow.release.log import Entry
from qatflow.release.ports import Version

BEST = "best"


class Best(NamedTuple):
    """A version, and the digest of its flatbuffer: numbers may be given anew, bytes may not."""

    version: int
    sha256: str

    def entry(self) -> dict[str, dict[str, Any]]:
        """Return what stands in a promotion's `gates`."""
        return {BEST: self._asdict()}


def best_of(entries: Iterable[Entry], champion: Version) -> Best:
    """Return the best of the champion's line, as noted when it was promoted.

    Of a champion that was promoted by hand, adopted, or before this was noted, it is the champion itself.
    """
    noted: Any = None
    for entry in entries:
        if entry.action == "promote" and entry.model_sha256 == champion.sha256:
            noted = entry.gates.get(BEST)
    if not isinstance(noted, Mapping):
        return Best(champion.number, champion.sha256)
    return Best(int(noted["version"]), str(noted["sha256"]))


def best_after(winner: Candidate, number: int, best: Champion | None, alpha: float) -> Best:
    """Return the best of the line once `winner` is registered as version `number` and promoted.

    Args:
        winner: The new champion.
        number: Its version.
        best: The best before; None where nothing can be compared with.
        alpha: Level at which the winner must be better to become the best.
    """
    own = Best(number, winner.sha256)
    if best is None or best.answers is None or "test" not in winner.answers:
        return own
    return (
        own
        if difference(winner.answers["test"].on(best.answers.rows), best.answers, alpha).low > 0
        else Best(best.version, best.sha256)
    )
