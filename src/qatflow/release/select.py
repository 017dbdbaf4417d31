"""Runs all gates over all candidates and picks the winner. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qatflow.errors import ParamsError, lookup, nearest
from qatflow.release.base import Candidate, Context, Gate, GateResult
from qatflow.release.gates import GATES

Settings = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Verdict:
    """What the gates said.

    Attributes:
        winner: Variant to release; None if every candidate was refused.
        gates: Variant -> results in the order of the parameters.
        reasons: Plain sentences, one for each candidate, the winner's first.
    """

    winner: str | None
    gates: Mapping[str, tuple[GateResult, ...]]
    reasons: tuple[str, ...]

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """Return variant -> gate results as JSON-like values."""
        return {variant: [result.to_dict() for result in results] for variant, results in self.gates.items()}


def select(candidates: Mapping[str, Candidate], context: Context, settings: Settings) -> Verdict:
    """Judge every candidate; the winner passed all gates and has the highest score, then fewest bytes, then latency.

    Args:
        candidates: By variant.
        context: What the gates compare with.
        settings: Gate name -> its settings, as in params.release.gates.

    Raises:
        ParamsError: If a gate or setting is unknown, missing or out of range.
    """
    gates = check_settings(settings)
    results = {
        variant: tuple(gate(candidate, context, settings[name]) for name, gate in gates.items())
        for variant, candidate in candidates.items()
    }
    passed = [candidates[variant] for variant, verdicts in results.items() if all(gate.passed for gate in verdicts)]
    passed.sort(key=lambda c: (-c.score, c.size_bytes, c.latency_us, c.variant))
    refused = [_refusal(variant, verdicts) for variant, verdicts in results.items() if variant not in _names(passed)]
    return Verdict(passed[0].variant if passed else None, results, (*_praise(passed), *refused))


def check_settings(settings: Settings) -> dict[str, Gate]:
    """Return the gates that `settings` names.

    Raises:
        ParamsError: If a gate or setting is unknown, missing or out of range.
    """
    gates = {name: lookup("gate", name, GATES) for name in settings}
    for name, gate in gates.items():
        _check_names(name, gate.settings, settings[name])
        for setting, (low, high) in gate.settings.items():
            value = settings[name][setting]
            if not (math.isfinite(value) and low <= value <= high):
                raise ParamsError(f"release.gates.{name}.{setting} is {value}; it must be from {low:g} to {high:g}")
    return gates


def _check_names(gate: str, known: Mapping[str, Any], given: Mapping[str, float]) -> None:
    takes = f"The gate takes: {', '.join(sorted(known))}."
    for setting in given:
        if setting not in known:
            raise ParamsError(f"Unknown setting release.gates.{gate}.{setting}. {takes}{nearest(setting, known)}")
    for setting in known:
        if setting not in given:
            raise ParamsError(f"release.gates.{gate} lacks {setting}. {takes}")


def _names(candidates: list[Candidate]) -> set[str]:
    return {candidate.variant for candidate in candidates}


def _praise(passed: list[Candidate]) -> list[str]:
    """Say which candidate wins among those that passed, and which stand behind it."""
    if not passed:
        return []
    winner, *others = passed
    figures = f"score {winner.score:.4f}, {winner.size_bytes} bytes"
    rank = "the only one that passes all gates" if not others else f"the best of {len(passed)} that pass all gates"
    behind = [f"{c.variant}: passes all gates, behind with score {c.score:.4f}, {c.size_bytes} bytes" for c in others]
    return [f"{winner.variant}: wins as {rank}: {figures}", *behind]


def _refusal(variant: str, results: tuple[GateResult, ...]) -> str:
    faults = "; ".join(f"{result.gate}: {result.reason}" for result in results if not result.passed)
    return f"{variant}: refused by {faults}"
