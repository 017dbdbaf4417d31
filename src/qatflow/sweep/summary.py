"""What a sweep found, from its trials' results. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from qatflow.search.pareto import pareto_front
from qatflow.sweep.ranks import rank
from qatflow.sweep.result import TrialResult
from qatflow.sweep.watch import figure

Record = dict[str, Any]


def summarize(results: Sequence[TrialResult], optimizers: Sequence[str], target: float) -> Record:
    """Return results.json: trials, ranks, time to target, Pareto front, and the best trial by the validation split.

    Args:
        results: What `measure.measure_trial` gave, and trials that were lost.
        optimizers: Those compared, in order.
        target: Figure on the validation split, higher is better.
    """
    done = [result for result in results if result.status == "done"]
    front = pareto_front([(result.figures.size_bytes, -result.figures.test_score) for result in done])
    trials = [row_of(result, target) for result in results]
    return {
        "target": target,
        "counts": {s: sum(r.status == s for r in results) for s in ("done", "pruned", "failed", "lost")},
        "trials": trials,
        "ranks": ranks_of(results, optimizers),
        "time_to_target": {name: _reach([t for t in trials if t["optimizer"] == name]) for name in optimizers},
        "pareto": [result.key for result, kept in zip(done, front, strict=True) if kept],
        "best": _best(done),
    }


def row_of(result: TrialResult, target: float) -> Record:
    """Return one trial flat: its settings, figures (None where it has none) and when it reached the target."""
    epoch = next((i for i, entry in enumerate(result.history, 1) if figure(entry) >= target), None)
    times = result.epoch_seconds
    return {
        **result.trial.record(),
        "name": result.trial.name,
        "key": result.key,
        "status": result.status,
        "reason": result.reason,
        "val_score": result.val_score,
        "test_score": result.test_score,
        "size_bytes": result.size_bytes,
        "sha256": result.sha256,
        "seconds": result.seconds,
        "float_test_score": None if result.float_model is None else result.float_model.test_score,
        "epochs": len(result.history),
        "epochs_to_target": epoch,
        "seconds_to_target": times[epoch - 1] if epoch and len(times) >= epoch else None,
    }


def ranks_of(results: Sequence[TrialResult], optimizers: Sequence[str]) -> Record | None:
    """Return mean ranks by score on the test split, over the blocks in which every optimizer was tried.

    A trial that failed ranks last. None if there is no such block, or only one optimizer.
    """
    blocks = [row for row in _blocks(results).values() if set(row) == set(optimizers)]
    if not blocks or len(optimizers) < 2:
        return None
    found = rank([[row[name] for name in optimizers] for row in blocks])
    table = {name: {"mean": found.means[i], "interval": list(found.interval(i))} for i, name in enumerate(optimizers)}
    return {"blocks": found.blocks, "friedman_p": found.friedman_p, "margin": found.margin, "optimizers": table}


def _blocks(results: Sequence[TrialResult]) -> dict[tuple[Any, ...], dict[str, float]]:
    """Return block -> optimizer -> score; of several trials the best on the validation split counts."""
    found: dict[tuple[Any, ...], dict[str, tuple[float, float]]] = {}
    for result in results:
        if result.status in {"done", "failed"}:
            trial, worst = result.trial, float("-inf")
            block = found.setdefault((trial.strategy, trial.model, trial.seed), {})
            done = result.figures if result.status == "done" else None
            scores = (done.val_score, done.test_score) if done else (worst, worst)
            name = trial.optimizer
            block[name] = max(block.get(name, scores), scores)
    return {key: {name: scores[1] for name, scores in block.items()} for key, block in found.items()}


def _reach(trials: Sequence[Mapping[str, Any]]) -> Record:
    """Return how many of an optimizer's trials reached the target, and their medians."""
    reached = [trial for trial in trials if trial["epochs_to_target"] is not None]
    seconds = [trial["seconds_to_target"] for trial in reached if trial["seconds_to_target"] is not None]
    return {
        "trials": len(trials),
        "reached": len(reached),
        "epochs": median(trial["epochs_to_target"] for trial in reached) if reached else None,
        "seconds": median(seconds) if seconds else None,
    }


def _best(done: Sequence[TrialResult]) -> str | None:
    """Return the key of the trial with the highest score on the validation split, of equals the smallest."""
    order = {result.key: (-result.figures.val_score, result.figures.size_bytes, result.key) for result in done}
    return min(order, key=lambda key: order[key], default=None)
