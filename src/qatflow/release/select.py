"""Runs all gates over all candidates and picks the winner. Pure.

The validation split orders the candidates, the test split only lets them pass or not: a figure that was picked because
it is high is no measurement any more (Cawley and Talbot, JMLR 11:2079, 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from qatflow.release.base import Candidate, Context, GateResult
from qatflow.release.gates import COMPARISONS, GATES, INVARIANT, LABELLED
from qatflow.release.judging import WITHDRAWN, ask, withdrawn_before
from qatflow.release.preference import preferred, shares
from qatflow.release.settings import Settings, check_settings

Results = dict[str, tuple[GateResult, ...]]


@dataclass(frozen=True)
class Verdict:
    """What the gates said.

    Attributes:
        winner: Variant to release; None if every candidate was refused.
        gates: Variant -> results, invariants first, then in the order of the parameters.
        reasons: Plain sentences, one for each candidate, the winner's first.
    """

    winner: str | None
    gates: Mapping[str, tuple[GateResult, ...]]
    reasons: tuple[str, ...]

    def with_notes(self, *notes: str) -> Verdict:
        """Return the verdict with further reasons, the empty ones left out."""
        return replace(self, reasons=(*self.reasons, *filter(None, notes)))


def select(candidates: Mapping[str, Candidate], context: Context, settings: Settings) -> Verdict:
    """Judge every candidate; the winner is the first in the order of `preference.preferred` that passes everything.

    That it was not withdrawn, and repeats its golden answers, is asked of each candidate whatever `settings` say.
    Comparisons with other models share their level among the candidates, see `preference.shares`.

    Args:
        candidates: By variant.
        context: What the gates compare with.
        settings: Gate name -> its settings, as in params.release.gates; None for one that is switched off.

    Raises:
        ParamsError: If nothing is asked, the invariant is switched off, or a gate or setting is unknown, missing or out
            of range.
    """
    asked = check_settings(settings)
    bounds = {name: given for name, given in asked.items() if name not in COMPARISONS}
    results: Results = {
        variant: (withdrawn_before(one, context), *(ask(GATES[n], n, one, context, s) for n, s in bounds.items()))
        for variant, one in candidates.items()
    }
    order = _order(candidates, results, context.objective)
    context = replace(context, sound=frozenset(name for name, found in results.items() if _passes(found)))
    for variant, share in shares(order).items():
        compared = (
            ask(GATES[name], name, candidates[variant], context, _at(given, share))
            for name, given in asked.items()
            if name in COMPARISONS
        )
        results[variant] = _in_order(asked, (*results[variant], *compared))
    passed = [candidates[variant] for variant in order if _passes(results[variant])]
    refused = [_refusal(variant, found) for variant, found in results.items() if not _passes(found)]
    praise = _praise(passed, context.objective)
    return Verdict(passed[0].variant if passed else None, results, (*praise, *refused))


def _order(candidates: Mapping[str, Candidate], results: Results, objective: str) -> list[str]:
    """Return all variants as they are offered; those that bounds without labels refuse come last, whatever they are."""

    def is_offered(variant: str) -> bool:
        return _passes(tuple(result for result in results[variant] if result.gate not in LABELLED))

    ranked = [one.variant for one in preferred(candidates.values(), objective)]
    return sorted(ranked, key=lambda variant: not is_offered(variant))


def _at(settings: Mapping[str, float], share: float) -> Mapping[str, float]:
    return {**settings, "alpha": settings["alpha"] * share}


def _passes(results: tuple[GateResult, ...]) -> bool:
    """An empty list of results is none that passes."""
    return bool(results) and all(result.passed for result in results)


def _in_order(settings: Settings, results: tuple[GateResult, ...]) -> tuple[GateResult, ...]:
    places = {name: place for place, name in enumerate([WITHDRAWN, INVARIANT, *settings])}
    return tuple(sorted(results, key=lambda result: places[result.gate]))


def _praise(passed: list[Candidate], objective: str) -> list[str]:
    """Say which candidate wins among those that passed, and which stand behind it."""
    if not passed:
        return []
    winner, *others = passed
    how = "best" if objective == "quality" else f"first by {objective} within noise of the best"
    rank = (
        "the only one that passes all gates"
        if not others
        else (f"the {how} on the validation split, of {len(passed)} that pass all gates")
    )
    behind = [f"{one.variant}: passes all gates, behind with {_figures(one)}" for one in others]
    return [f"{winner.variant}: wins as {rank}: {_figures(winner)}", *behind]


def _figures(one: Candidate) -> str:
    val = one.answers["val"].score if "val" in one.answers else None
    validated = "" if val is None else f", {val:.4f} on validation"
    return f"score {one.score:.4f}{validated}, {one.size_bytes} bytes"


def _refusal(variant: str, results: tuple[GateResult, ...]) -> str:
    faults = "; ".join(f"{result.gate}: {result.reason}" for result in results if not result.passed)
    return f"{variant}: refused by {faults}"
