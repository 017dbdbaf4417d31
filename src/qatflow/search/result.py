"""What a search found."""

from dataclasses import dataclass, field
from html import escape
from typing import Any

from qatflow.data.prepared import PreparedData
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.search.options import Goal
from qatflow.search.trial import Trial

COLUMNS = ("", "strategy", "bytes", "compressed", "validation", "test", "µs", "")


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult:
    """The chosen flatbuffer, why it was chosen, and what became of all candidates.

    Attributes:
        chosen: The winner, a member of `trials`.
        reason: One sentence that says why it won.
        metric: Name of the score: accuracy, r2, auc or reconstruction_r2.
        trials: All candidates in the order in which they were tried.
        evaluation: Of the chosen flatbuffer on the test split: score, metrics, score_interval, agreement_float,
            samples, float_model.
        timings: latency_us and float_latency_us with p50, p95 and p99, and latency_ratio.
        notes: What a user should know of model and data.
        seconds: That everything took.
        seed: That everything was drawn with.
        data: The prepared data; their temporary folder lives as long as this object.

    Example:
        >>> result.chosen.score == result.evaluation.score
        True
        >>> [trial.strategy for trial in result.trials]
        ['float32', 'ptq_w8a8']
    """

    chosen: Trial
    reason: str
    metric: str
    trials: tuple[Trial, ...]
    evaluation: Evaluation
    timings: Timings
    notes: tuple[str, ...]
    goal: Goal
    seconds: float
    seed: int
    data: PreparedData = field(repr=False)

    @property
    def strategy(self) -> str:
        """Name of the strategy that won."""
        return self.chosen.strategy

    @property
    def flatbuffer(self) -> bytes:
        """The TFLite model."""
        return self.chosen.flatbuffer

    @property
    def pareto_front(self) -> tuple[Trial, ...]:
        """The candidates that no other one beats in size, score and latency."""
        return tuple(trial for trial in self.trials if trial.on_pareto_front)

    def __repr__(self) -> str:
        figures = f"{len(self.flatbuffer)} bytes, {self.metric} {self.evaluation.score:.4f} on the test split"
        return f"<SearchResult {self.strategy}: {figures}; {len(self.trials)} candidates>"

    def _repr_html_(self) -> str:
        """Return all candidates as a table, the chosen one marked, for a notebook."""
        head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
        rows = "".join(self._row(trial) for trial in self.trials)
        notes = "".join(f"<li>{escape(note)}</li>" for note in (*self.notes, *self.chosen.notes))
        return (
            f"<p><b>{escape(self.strategy)}</b>: {escape(self.reason)}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"
        )

    def _row(self, trial: Trial) -> str:
        chosen = trial is self.chosen
        scores = ("" if score is None else f"{score:.4f}" for score in (trial.val_score, trial.score))
        latency = "" if trial.latency_us is None else f"{trial.latency_us:.1f}"
        why = "" if trial.status == "measured" else f"{trial.status}: {trial.reason}"
        sizes = ("" if size is None else f"{size:,}" for size in (trial.size_bytes, trial.zstd_bytes))
        cells = ("➤" if chosen else "", trial.strategy, *sizes, *scores, latency, why)
        style = ' style="font-weight:bold"' if chosen else ""
        return f"<tr{style}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of result.json."""
        return {
            "strategy": self.strategy,
            "reason": self.reason,
            "task": self.data.task,
            "metric": self.metric,
            "float_accuracy": self.evaluation.reference.score,
            "tflite_accuracy": self.evaluation.score,
            "agreement": self.evaluation.agreement_float,
            "test_samples": self.evaluation.samples,
            "size_bytes": len(self.flatbuffer),
            "size_zstd_bytes": self.chosen.zstd_bytes,
            "float_size_bytes": self.evaluation.reference.size_bytes,
            "sha256": self.evaluation.sha256,
            "latency_us": self.timings.latency_us.p50,
            "float_latency_us": self.timings.reference.p50,
            "widths": dict(self.chosen.widths),
            "notes": [*self.notes, *self.chosen.to_dict()["notes"]],
            "alarm": None if self.chosen.alarm is None else str(self.chosen.alarm),
            "max_drop": self.goal.max_drop,
            "size_budget": self.goal.size_budget,
            "time_budget": self.goal.time_budget,
            "compressed": self.goal.compressed,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "candidates": [trial.to_dict() for trial in self.trials],
        }
