"""Writes what the zoo measured as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLE = """# Known architectures

Written by `python -m benchmarks.zoo`: each network with random weights (MLPerf Tiny's with theirs), some dozens of
steps of training on patterns in noise, small inputs; then quantized, saved as a bundle, loaded, asked by the server's
inference with one sample and with three, and made into C sources for TFLite Micro, which gcc compiles up to 1 MiB.

- *float*: accuracy on 120 other samples (of the autoencoder R² of the reconstruction).
- a strategy: accuracy, and in brackets on which share of the samples the flatbuffer picks the float model's class; of
  `w4` and `qat` besides, on which share it picks the fake-quant model's. *n float*: so many tensors stay float.
- *served*, *micro*: of all strategies; or the sentence of the refusal.
- *time, memory*: of the whole process, on a shared machine; its peak.

Random weights and few steps make accuracies that say nothing about the architecture: the figures compare a row with
itself. 4-bit weights are rounded to the nearest here (`corrections.adaround: false`).
"""
STRATEGIES = {"ptq_w8a8": "ptq w8", "ptq_w4a8": "ptq w4", "qat_w8a8_per_channel": "qat w8", "qat_w4a8": "qat w4"}
HEAD = f"""| network | parameters | float | {" | ".join(STRATEGIES.values())} | served | micro | time, memory |
| --- | ---: | ---: | {" | ".join("---" for _ in STRATEGIES)} | --- | --- | ---: |"""


def page(found: Mapping[str, dict[str, Any]]) -> str:
    """Return the page of all outcomes, and under the table each sentence once."""
    said: dict[str, list[str]] = {}
    for outcome in found.values():
        for sentence in _sentences(outcome):
            said.setdefault(sentence, []).append(outcome["name"])
    notes = [f"- {', '.join(dict.fromkeys(names))}: {sentence}" for sentence, names in said.items()]
    more = ["", "What was refused, and notes:", "", *notes] if notes else []
    return "\n".join([TITLE, HEAD, *(row(outcome) for outcome in found.values()), *more]) + "\n"


def row(outcome: Mapping[str, Any]) -> str:
    """Return one line of the table."""
    name = outcome["name"]
    if "failed" in outcome or "late" in outcome:
        said = f"not within {outcome['late']:g} minutes" if "late" in outcome else f"**{outcome['failed']}**"
        return f"| {name} | | | {said} |" + " |" * (len(STRATEGIES) + 2)
    strategies = outcome["strategies"]
    cells = [_cell(strategies.get(strategy)) if not outcome["refused"] else "refused" for strategy in STRATEGIES]
    ends = [_together(strategies, key) for key in ("served", "micro")]
    cost = f"{outcome['seconds']:.0f} s, {outcome['peak_mb']} MB"
    size, score = f"{outcome['parameters']:,}", f"{outcome['float_score']:.3f}" if strategies else ""
    return f"| {name} | {size} | {score} | {' | '.join([*cells, *ends])} | {cost} |"


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if "refused" in found:
        return "refused"
    parity = f", {found['parity']['parity_agreement']:.1%}" if "parity" in found else ""
    floats = f", {found['float']} float" if found["float"] else ""
    return f"{found['score']:.3f} ({found['agreement']:.1%}{parity}{floats}){', **alarm**' if found['alarm'] else ''}"


def _together(strategies: Mapping[str, Any], key: str) -> str:
    """Return what all strategies have in common; sentences are below the table."""
    said = {str(found[key]) for found in strategies.values() if key in found}
    return "; ".join(sorted(text if len(text) < 20 else "refused" for text in said))


def _sentences(outcome: Mapping[str, Any]) -> list[str]:
    """Return refusals, alarms and notes of an outcome."""
    if outcome.get("refused"):
        return [outcome["refused"]]
    found: list[str] = []
    for strategy, told in outcome.get("strategies", {}).items():
        found += [f"`{strategy}` refused: {told['refused']}"] if "refused" in told else []
        found += [f"alarm of `{strategy}`: {told['alarm']}"] if told.get("alarm") else []
        found += [text for text in (str(told.get("micro", "")), str(told.get("served", ""))) if len(text) >= 20]
        found += [note for note in told.get("notes", ()) if "float" in note]
    return [" ".join(text.split()).replace("|", "/") for text in dict.fromkeys(found)]
