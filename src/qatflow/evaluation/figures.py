"""The one maker of `Evaluation` and `Timings`, whichever door asks: stage, search, ensemble, distillation, course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qatflow.artifacts import Array, sha256_bytes
from qatflow.evaluation.agreement import agreement
from qatflow.evaluation.metrics import SCORES, correct, counts_samples
from qatflow.evaluation.result import Evaluation, Latency, Timings
from qatflow.evaluation.significance import mcnemar, wilson_interval
from qatflow.evaluation.sizes import sizes, sparsity


@dataclass(frozen=True, eq=False)
class Answered:
    """What a flatbuffer says of the test split.

    Attributes:
        values: What `metrics.judged` gives, (n, …).
        metrics: What `metrics.measure` gives, or another figure of merit by its name.
    """

    model: bytes
    values: Array
    metrics: Mapping[str, Any]

    def figures(self, metric: str) -> dict[str, Any]:
        """Return what `result.ModelFigures` holds; `metric` names the score."""
        told = {"score": self.metrics[metric], "metrics": self.metrics, "sha256": sha256_bytes(self.model)}
        return {**told, **sizes(self.model)}


def evaluation_of(
    task: str, y: Array, own: Answered, reference: Answered | None, *, metric: str | None = None, **more: Any
) -> Evaluation:
    """Return the figures of a flatbuffer on the test split, beside those of the float one if there is one.

    Args:
        task: Name in `evaluation.tasks.TASKS`.
        y: Labels, (n, …).
        own: The flatbuffer's answers.
        reference: The float one's.
        metric: Name of the score; None for the task's usual one.
        more: What else was measured, as `Evaluation` names it.
    """
    is_usual = metric in {None, SCORES[task]}
    right = correct(task, y, own.values) if is_usual else None
    metric = metric or SCORES[task]
    beside: dict[str, Any] = {}
    if reference is not None:
        p = None if right is None else mcnemar(right, correct(task, y, reference.values))
        same = agreement(task, reference.values, own.values)
        beside = {"float": reference.figures(metric), "mcnemar_float_p": p, "agreement_float": same}
    shares = right is not None and counts_samples(task)
    return Evaluation.model_validate(
        {
            "task": task,
            "metric": metric,
            "samples": len(y),
            **own.figures(metric),
            "score_interval": wilson_interval(int(right.sum()), len(y)) if shares and right is not None else None,
            "compression": sparsity(own.model),
            **beside,
            **more,
        }
    )


def timings_of(own: Latency, reference: Latency, threads: int = 1, **more: Any) -> Timings:
    """Return the latency of a flatbuffer beside the float one's, taken in turns; `more` as `Timings` names it."""
    ratio = own.p50 / reference.p50
    return Timings(threads=threads, latency_us=own, float_latency_us=reference, latency_ratio=ratio, **more)
