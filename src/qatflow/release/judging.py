"""Asks a gate about a candidate. What is missing, unknown or no number never passes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from qatflow.errors import ArtifactError
from qatflow.release.base import Candidate, Context, Gate, GateResult

WITHDRAWN = "withdrawn"


def withdrawn_before(candidate: Candidate, context: Context) -> GateResult:
    """Pass what was never rolled back or rejected: such a model does not return by itself, whatever the gates are."""
    why = context.withdrawn.get(candidate.sha256)
    return GateResult(WITHDRAWN, why is None, None, 0.0, why or "it was never rolled back or rejected")


def ask(gate: Gate, name: str, candidate: Candidate, context: Context, settings: Mapping[str, float], /) -> GateResult:
    """Return a gate's verdict; a refusal where it has not got what it needs to judge by."""
    try:
        result = gate(candidate, context, settings)
    except KeyError as error:
        return _unknown(name, f"{error.args[0]!r} was not measured, so nobody knows whether it passes")
    except (ArtifactError, AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
        return _unknown(name, f"it cannot be judged: {' '.join(str(error).split())[:200]}")
    if result.measured is not None and not math.isfinite(result.measured):
        return _unknown(name, f"what it measured is no number: {result.reason}")
    return replace(result, passed=bool(result.passed))


def _unknown(name: str, reason: str) -> GateResult:
    return GateResult(name, False, None, 0.0, reason)
