"""Whether the flatbuffers decide for the float model's reasons, with examples; left out where nothing was explained."""

from collections.abc import Mapping, Sequence

import numpy as np

from qatflow import artifacts
from qatflow.report import summary, wording
from qatflow.report.figures import attribution, drift
from qatflow.report.figures.svg import Figure
from qatflow.report.pixels import data_address, is_picture
from qatflow.report.read import Record, Run

FLOAT = "float"
MOST_CLASSES = 20
WIDTHS = {"int8": "w8", "int4": "w4"}
"""What is shown beside float -> how the names of such variants tell it."""


def explanation(run: Run) -> Record | None:
    """Return the drift by variant and class, curves and examples."""
    folder = run.optional("explain")
    record = artifacts.read_json(folder / "explanation.json") if folder else {"models": {}}
    drifts = {v.name: record["models"][v.name]["drift"] for v in run.variants if v.name in record["models"]}
    if not drifts:
        return None
    shown = _shown(run, list(drifts))
    return {
        "samples": record["samples"],
        "count": len(record["players"]["names"]),
        "kind": record["players"]["kind"],
        "top": record["top"],
        "floor": f"{record['floor']['rank_correlation']['mean']:.2f}",
        "rows": _rows(record, drifts),
        "figures": [drift.by_model(drifts, record["floor"]), *_curves(record, shown)],
        "classes": _classes(drifts),
        "examples": [_example(run, record, example, shown) for example in record["examples"]],
        "shown": [f"{kind} is {name}" for kind, name in shown.items() if kind != name],
    }


def _shown(run: Run, names: Sequence[str]) -> Mapping[str, str]:
    """Return what stands beside float: an int8 and an int4 variant, the one in focus before others; else the first."""
    focus = summary.focus(run).name
    order = sorted(names, key=lambda name: name != focus)
    found = {kind: next((name for name in order if mark in name), "") for kind, mark in WIDTHS.items()}
    return {kind: name for kind, name in found.items() if name} or {name: name for name in order[:2]}


def _rows(record: Record, drifts: Mapping[str, Record]) -> list[Record]:
    others = {"float, other masks": record["floor"], "float, gradients of the Keras model": record["gradient"]}
    named = {**{name: found for name, found in others.items() if found}, **drifts}
    return [{"name": FLOAT, **_gains(record, FLOAT), "correlation": "", "overlap": ""}] + [
        {
            "name": name,
            "correlation": _figure(found["rank_correlation"]),
            "overlap": _figure(found["top_overlap"]),
            **_gains(record, name),
        }
        for name, found in named.items()
    ]


def _gains(record: Record, name: str) -> Record:
    model = record["models"].get(name)
    kinds = ("deletion", "insertion")
    return {kind: _figure(model[kind]["gain"], signed=True) if model else ("", "") for kind in kinds}


def _figure(found: Record, *, signed: bool = False) -> tuple[str, str]:
    """Return the mean and its interval as texts."""

    def write(value: float) -> str:
        return wording.signed(value, 3, plus="+" if signed else "")

    interval = found["interval"]
    return write(found["mean"]), "" if interval is None else f"{write(interval[0])} to {write(interval[1])}"


def _classes(drifts: Mapping[str, Record]) -> Record:
    """Return rank correlations by class and variant, the classes that drift most first."""
    counts = {
        name: found["rank_correlation"]["samples"] for name, found in next(iter(drifts.values()))["per_class"].items()
    }
    means = {
        name: [found["per_class"][name]["rank_correlation"]["mean"] for found in drifts.values()] for name in counts
    }
    order = sorted(means, key=lambda name: min(means[name]))
    rows = [(name, counts[name], [wording.signed(mean, 2, plus="") for mean in means[name]]) for name in order]
    return {"names": list(drifts), "rows": rows[:MOST_CLASSES], "left_out": len(rows[MOST_CLASSES:])}


def _curves(record: Record, shown: Mapping[str, str]) -> list[Figure]:
    models = {FLOAT: record["models"][FLOAT], **{kind: record["models"][name] for kind, name in shown.items()}}
    kinds = ("deletion", "insertion")
    return [drift.curves(kind, record["players"]["kind"], {n: m[kind] for n, m in models.items()}) for kind in kinds]


def _example(run: Run, record: Record, example: Record, shown: Mapping[str, str]) -> Figure:
    models = {FLOAT: FLOAT, **shown}
    case = attribution.Case(
        sample=example["sample"],
        label=example["label"],
        output=example["output"],
        names=record["players"]["names"],
        values={kind: example["values"][name] for kind, name in models.items()},
        answers={kind: example["answers"][name] for kind, name in models.items()},
        likeness=example["likeness"],
    )
    if record["players"]["kind"] != "patches":
        return attribution.bars(case)
    x = example["input"]
    picture = data_address(np.array(x)) if x and is_picture(run.card.x_shape) else ""
    return attribution.heat(case, record["players"]["grid"], picture)
