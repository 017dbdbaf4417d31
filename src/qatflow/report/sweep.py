"""The report of a sweep: one self-contained page, and the same figures for programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qatflow import artifacts
from qatflow.params.root import Params
from qatflow.report import sweep_figures, wording
from qatflow.report.figures.svg import Figure
from qatflow.report.page import environment
from qatflow.sweep.result import TrialResult
from qatflow.sweep.summary import summarize

Record = dict[str, Any]


def write_report(results: Sequence[TrialResult], params: Params, out: Path) -> Record:
    """Write index.html and results.json as the sealed folder `out`, in the place of an earlier one.

    Args:
        results: What the trials gave, see `sweep.measure.measure_trial`.
        params: All parameters.
        out: Such as artifacts/sweep.

    Returns:
        What results.json holds, see `sweep.summary.summarize`.
    """
    ordered = sorted(results, key=lambda result: _order(result, params))
    summary = summarize(ordered, params.sweep.optimizers, params.sweep.target)
    with artifacts.stage_output(out, "sweep") as folder:
        artifacts.write_json(folder / "results.json", summary)
        artifacts.write_text(folder / "index.html", render(summary, params))
    return summary


def render(summary: Record, params: Params) -> str:
    """Return the page as HTML."""
    score = wording.SCORES[params.data.task]
    return (
        environment()
        .get_template("sweep.html.j2")
        .render(
            finding=finding(summary, score),
            reason=_counted(summary["counts"]),
            search=params.sweep.search,
            data=params.data.source,
            score=score.name,
            target=score.value(summary["target"]),
            tiles=_tiles(summary, score),
            figures=_figures(summary, score),
            rows=[_row(trial, summary, score) for trial in summary["trials"]],
            optimizers=[_optimizer(name, summary) for name in params.sweep.optimizers],
            ranks=summary["ranks"],
        )
    )


def finding(summary: Record, score: wording.Score) -> str:
    """Say in a sentence which trial is the best."""
    best = _best(summary)
    if best is None:
        return "No trial came to an end."
    place = f"{score.value(best['test_score'])} on the test split with {wording.size(best['size_bytes'])}"
    return f"{best['optimizer']} with {best['strategy']} on {best['model']} is the best of the sweep: {place}."


def _best(summary: Record) -> Record | None:
    return next((trial for trial in summary["trials"] if trial["key"] == summary["best"]), None)


def _order(result: TrialResult, params: Params) -> tuple[Any, ...]:
    """Order trials as params.yaml lists what they are made of, whenever they ended."""
    trial, sweep = result.trial, params.sweep
    optimizer = sweep.optimizers.index(trial.optimizer)
    return optimizer, trial.strategy, trial.model, trial.seed, trial.learning_rate


def _figures(summary: Record, score: wording.Score) -> list[Figure]:
    done = [trial for trial in summary["trials"] if trial["status"] == "done"]
    drawn = [
        sweep_figures.ranks(summary["ranks"]) if summary["ranks"] else None,
        sweep_figures.time_to_target(summary["time_to_target"], score.value(summary["target"])),
        sweep_figures.pareto(done, summary["pareto"], score) if done else None,
    ]
    return [figure for figure in drawn if figure]


def _tiles(summary: Record, score: wording.Score) -> list[Mapping[str, str]]:
    best = _best(summary)
    if best is None:
        return []
    against = score.against_float(best["test_score"] - best["float_test_score"])
    size = {"name": "Size", "value": wording.size(best["size_bytes"]), "beside": best["strategy"]}
    rate = {"name": "Learning rate", "value": wording.number(best["learning_rate"]), "beside": best["optimizer"]}
    time = {"name": "Time", "value": f"{best['seconds']:.1f}{wording.SPACE}s", "beside": "without the float model"}
    return [{"name": score.name, "value": score.value(best["test_score"]), "beside": against}, size, rate, time]


def _counted(counts: Mapping[str, int]) -> str:
    words = {
        "done": "came to an end",
        "pruned": "ended early, as worse than most",
        "failed": "failed for reasons of their own",
        "lost": "lost",
    }
    ended = "; ".join(f"{counts[status]} {said}" for status, said in words.items() if counts[status])
    return f"{sum(counts.values())} trials: {ended}."


def _row(trial: Record, summary: Record, score: wording.Score) -> Record:
    done = trial["status"] == "done"
    epoch, seconds = trial["epochs_to_target"], trial["seconds_to_target"]
    return {
        **{name: trial[name] for name in ("optimizer", "strategy", "model", "seed", "status", "reason", "epochs")},
        "rate": wording.number(trial["learning_rate"]),
        "best": trial["key"] == summary["best"],
        "front": trial["key"] in summary["pareto"],
        "val": score.value(trial["val_score"]) if done else wording.ABSENT,
        "test": score.value(trial["test_score"]) if done else wording.ABSENT,
        "change": score.change(trial["test_score"] - trial["float_test_score"]) if done else "",
        "size": wording.size(trial["size_bytes"]) if done else wording.ABSENT,
        "seconds": f"{trial['seconds']:.1f}{wording.SPACE}s" if done else wording.ABSENT,
        "target": wording.ABSENT if epoch is None else f"epoch {epoch}",
        "target_seconds": "" if seconds is None else f"{seconds:.1f}{wording.SPACE}s",
        "sha256": trial["sha256"] or "",
    }


def _optimizer(name: str, summary: Record) -> Record:
    reach = summary["time_to_target"][name]
    rank = summary["ranks"]["optimizers"][name] if summary["ranks"] else None
    return {
        "name": name,
        "trials": reach["trials"],
        "rank": f"{rank['mean']:.2f}" if rank else wording.ABSENT,
        "interval": f"{rank['interval'][0]:.1f} to {rank['interval'][1]:.1f}" if rank else "",
        "reached": f"{reach['reached']} of {reach['trials']}",
        "epochs": wording.number(reach["epochs"]),
        "seconds": wording.ABSENT if reach["seconds"] is None else f"{reach['seconds']:.1f}{wording.SPACE}s",
    }
