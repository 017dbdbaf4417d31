"""Learning curves of the float model and of every variant that was trained, and what training did to their grids."""

from collections.abc import Sequence

from qatflow.report import wording
from qatflow.report.figures import traces
from qatflow.report.figures.curves import curves
from qatflow.report.figures.lines import Frame, Line, lines
from qatflow.report.figures.svg import Figure, to_text
from qatflow.report.read import ENSEMBLE, History, Record, Run, Variant

METRICS = ("accuracy", "loss")


def learning(run: Run) -> Record:
    """Return the figures, the names of the variants that needed no training, and what a transfer gained."""
    floats = [("float", run.history), ("transfer", run.transfer["history"])]
    trained = [*floats, *((variant.name, variant.history) for variant in run.variants)]
    return {
        "transfer": _gain(run.transfer["transfer"]),
        "together": [both for metric in METRICS if (both := _together(run.variants, metric))],
        "figures": {metric: made for metric in METRICS if (made := _figures(trained, metric))},
        "grids": [figure for variant in run.variants for figure in _grids(variant)],
        "untrained": [variant.name for variant in run.variants if not variant.history and variant.name != ENSEMBLE],
    }


def _gain(record: Record) -> str:
    """Say what the transferred model gained over training from scratch, on the validation split; "" without one."""
    if record["source"] == "none":
        return ""
    name, score, scratch = record["backbone"], record["val_score"], record["val_score_from_scratch"]
    beside = "" if scratch is None else f", {score - scratch:+.4f} against the model trained from scratch"
    return f"Transferred from {name}: score {score:.4f} on the validation split{beside}."


def _figures(trained: list[tuple[str, History]], metric: str) -> list[Figure]:
    return [curves(name, history, metric) for name, history in trained if history and metric in history[0]]


def _together(variants: Sequence[Variant], metric: str) -> Figure | None:
    """All trained variants in one picture, the best first; None for fewer than two."""
    key = f"val_{metric}"
    found = [Line(v.name, [row[key] for row in v.history]) for v in variants if v.history and key in v.history[0]]
    if len(found) < 2:
        return None
    best = min if metric == "loss" else max
    order = sorted(found, key=lambda line: best(line.values), reverse=metric != "loss")
    write = wording.round_percent if metric == "accuracy" else wording.number
    words = wording.percent if metric == "accuracy" else wording.number
    title = f"{order[0].name} trains to the best validation {metric}, {words(best(order[0].values))}"
    alt = "; ".join(f"{line.name}: best {words(best(line.values))}" for line in order)
    drawing = lines(order, Frame(f"validation {metric}", write), f"{title}. {alt}.")
    return Figure(title, "All variants that were trained. Keys hide lines.", to_text(drawing))


def _grids(variant: Variant) -> list[Figure]:
    layers = variant.trace.get("layers", {})
    drawn = [
        traces.ranges(variant.name, layers),
        traces.steps(variant.name, layers),
        *(traces.oscillation(variant.name, layers, key) for key in ("moved", "turned")),
    ]
    return [figure for figure in drawn if figure]
