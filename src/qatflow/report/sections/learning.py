"""Learning curves of the float model and of every variant that was trained."""

from qatflow.report.figures.curves import curves
from qatflow.report.figures.svg import Figure
from qatflow.report.read import History, Record, Run

METRICS = ("accuracy", "loss")


def learning(run: Run) -> Record:
    """Return the figures, and the names of the variants that needed no training."""
    trained = [("float", run.history), *((variant.name, variant.history) for variant in run.variants)]
    return {
        "figures": {metric: made for metric in METRICS if (made := _figures(trained, metric))},
        "untrained": [variant.name for variant in run.variants if not variant.history],
    }


def _figures(trained: list[tuple[str, History]], metric: str) -> list[Figure]:
    return [curves(name, history, metric) for name, history in trained if history and metric in history[0]]
