"""Learning curves of the float model and of every variant that was trained."""

from qatflow.report.figures.curves import curves
from qatflow.report.figures.svg import Figure
from qatflow.report.read import ENSEMBLE, History, Record, Run

METRICS = ("accuracy", "loss")


def learning(run: Run) -> Record:
    """Return the figures, the names of the variants that needed no training, and what a transfer gained."""
    floats = [("float", run.history), ("transfer", run.transfer["history"])]
    trained = [*floats, *((variant.name, variant.history) for variant in run.variants)]
    return {
        "transfer": _gain(run.transfer["transfer"]),
        "figures": {metric: made for metric in METRICS if (made := _figures(trained, metric))},
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
