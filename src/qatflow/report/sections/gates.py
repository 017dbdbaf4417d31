"""The gate report: what each gate measured on each variant, and how it was decided."""

from collections.abc import Sequence

from qatflow.release.base import GateResult
from qatflow.report import wording
from qatflow.report.read import Record, Run


def gates(run: Run) -> Record | None:
    """Return gate names, one row of results per variant in their order, and how it was decided; None without gates."""
    report = run.receipt.gates
    names = list(dict.fromkeys(result.gate for variant in run.variants for result in report[variant.name]))
    if not names:
        return None
    return {
        "names": names,
        "rows": [{"name": variant.name, "cells": _cells(names, report[variant.name])} for variant in run.variants],
        "reasons": list(run.receipt.reasons),
    }


def _cells(names: list[str], results: Sequence[GateResult]) -> list[Record | None]:
    """A gate that was not asked about a variant leaves its cell empty."""
    by_name = {result.gate: result for result in results}
    return [_cell(by_name[name]) if name in by_name else None for name in names]


def _cell(result: GateResult) -> Record:
    return {
        "passed": result.passed,
        "measured": wording.number(result.measured),
        "threshold": wording.number(result.threshold),
        "reason": result.reason,
    }
