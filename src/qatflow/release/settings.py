"""Checks which gates are asked for, and how. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qatflow.errors import ParamsError, lookup, nearest
from qatflow.release.gates import GATES, INVARIANT

Settings = Mapping[str, Mapping[str, float] | None]
"""Gate name -> its settings; None for one that is switched off."""


def check_settings(settings: Settings) -> dict[str, Mapping[str, float]]:
    """Return the settings of all gates that are asked, the invariant among them.

    Raises:
        ParamsError: If nothing is asked, the invariant is switched off, or a gate or setting is unknown, missing or out
            of range.
    """
    asked = {name: given for name, given in settings.items() if given is not None}
    if not asked:
        raise ParamsError(
            "release.gates asks nothing of a model, so that anything would be promoted. Leave the section out for the "
            "safe defaults, or give at least one gate"
        )
    if settings.get(INVARIANT, asked) is None:
        raise ParamsError(
            f"release.gates.{INVARIANT} cannot be switched off: a model that does not repeat its golden answers in a "
            "clean process is broken. Leave the line out, or set max_lsb"
        )
    for name, given in asked.items():
        gate = lookup("gate", name, GATES)
        _check_names(name, gate.settings, given)
        for setting, (low, high) in gate.settings.items():
            value = given[setting]
            if not (math.isfinite(value) and low <= value <= high):
                raise ParamsError(f"release.gates.{name}.{setting} is {value}; it must be from {low:g} to {high:g}")
    return {INVARIANT: {"max_lsb": 0.0}, **asked}


def _check_names(gate: str, known: Mapping[str, Any], given: Mapping[str, float]) -> None:
    takes = f"The gate takes: {', '.join(sorted(known))}."
    for setting in given:
        if setting not in known:
            raise ParamsError(f"Unknown setting release.gates.{gate}.{setting}. {takes}{nearest(setting, known)}")
    for setting in known:
        if setting not in given:
            raise ParamsError(f"release.gates.{gate} lacks {setting}. {takes}")
