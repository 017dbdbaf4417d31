"""In which order candidates are offered for release: by the validation split alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from qatflow.evaluation.answers import ACCURACY, difference
from qatflow.release.base import Candidate
from qatflow.release.compared import COSTS

ONE_ERROR = 0.1587
"""Level of a bound that lies one standard error from its estimate."""


def preferred(candidates: Iterable[Candidate], objective: str) -> list[Candidate]:
    """Return candidates in the order in which they should ship.

    First those whose validation score is within one standard error, of the paired difference, of the best: the one-
    standard-error rule (Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees", 1984, 3.4.3), with
    the continuity correction of McNemar's test (Edwards, Psychometrika 13:185, 1948) where answers are counted. Among
    them the cheapest by the objective comes first; then the others, the better the earlier. Without validation samples
    only the objective counts. Under `quality` the order is that of the scores.
    """
    given = list(candidates)
    measured = [one for one in given if _val_score(one) > -math.inf]
    best = max(measured, key=lambda one: (_val_score(one), -one.size_bytes, one.variant), default=None)
    near = {one.variant for one in measured if best is not None and _is_near(one, best)}
    cost = COSTS.get(objective)

    def rank(one: Candidate) -> tuple[bool, float, float, int, float, str]:
        within = cost is not None and (one.variant in near or not measured)
        priced = _known(one, cost) if within and cost is not None else 0.0
        return (not within, priced, -_val_score(one), one.size_bytes, _known(one, "latency_us"), one.variant)

    return sorted(given, key=rank)


def shares(order: Sequence[str]) -> Mapping[str, float]:
    """Return which share of the level alpha each candidate is tested at, in the order in which they are offered.

    Halves: 1/2, 1/4, ..., the last two alike, so that all add up to 1 (a Bonferroni correction with weights, as in
    Holm, Scandinavian Journal of Statistics 6:65, 1979): however many are offered, one that is not good enough passes
    with probability alpha at most, and the one that validation prefers pays least for the others.
    """
    last = len(order) - 1
    return {variant: 0.5 ** min(place + 1, last) for place, variant in enumerate(order)}


def _known(one: Candidate, cost: str) -> float:
    """Return a cost; infinity where it was not measured, which the gates refuse."""
    try:
        value = float(getattr(one, cost))
    except (KeyError, TypeError, ValueError):
        return math.inf
    return value if math.isfinite(value) else math.inf


def _is_near(one: Candidate, best: Candidate) -> bool:
    found = difference(best.answers["val"], one.answers["val"], ONE_ERROR)
    step = 1 / found.samples if one.answers["val"].metric == ACCURACY else 0.0
    return found.estimate - step <= found.error


def _val_score(one: Candidate) -> float:
    score = one.answers["val"].score if "val" in one.answers else -math.inf
    return score if math.isfinite(score) else -math.inf
