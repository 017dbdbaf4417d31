"""The final figures of all candidates, on the test split and side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qatflow.artifacts import Array, sha256_bytes
from qatflow.data.prepared import PreparedData
from qatflow.evaluation.agreement import agreement
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.metrics import correct, counts_samples
from qatflow.evaluation.significance import wilson_interval
from qatflow.evaluation.sizes import sizes, sparsity
from qatflow.progress import Progress
from qatflow.search.judge import Judge
from qatflow.search.pareto import pareto_front
from qatflow.search.trial import Trial


class TestFigures:
    """What the float flatbuffer and those of candidates do on the test split."""

    __test__ = False  # not for pytest

    def __init__(self, float_model: bytes, data: PreparedData) -> None:
        self.judge = Judge(data, data.test)
        self._data, self._float_model = data, float_model
        self.float_values = self.judge.values(float_model)
        self._latencies: dict[bytes, dict[str, float]] = {}

    def complete(self, trials: Sequence[Trial], runs: int, progress: Progress) -> list[Trial]:
        """Return measured trials with score, agreement, latency and their place on the Pareto front."""
        sample, _ = self._data.test.arrays(1)
        times = interleaved_latency(
            [trial.flatbuffer for trial in trials], sample, threads=1, runs=runs, progress=progress
        )
        self._latencies = {trial.flatbuffer: latency for trial, latency in zip(trials, times, strict=True)}
        finished = [
            replace(self._scored(trial), latency_us=self._latencies[trial.flatbuffer]["p50"]) for trial in trials
        ]
        costs = [
            (trial.size_bytes or 0, trial.zstd_bytes or 0, -(trial.score or 0.0), trial.latency_us or 0.0)
            for trial in finished
        ]
        return [replace(trial, on_pareto_front=on) for trial, on in zip(finished, pareto_front(costs), strict=True)]

    def evaluation(self, model: bytes, values: Array) -> dict[str, Any]:
        """Return the figures of one flatbuffer, and of its `values`, under the names of `evaluation.evaluate`."""
        task = self._data.task
        return {
            "task": task,
            "metric": self.judge.metric,
            "samples": len(values),
            "score": self.judge.score(values),
            "score_interval": self._interval(values),
            "metrics": self.judge.measures(values),
            "agreement_float": agreement(task, self.float_values, values),
            **sizes(model),
            "compression": sparsity(model),
            "sha256": sha256_bytes(model),
            "float": {
                "score": self.judge.score(self.float_values),
                "metrics": self.judge.measures(self.float_values),
                "size_bytes": len(self._float_model),
                "sha256": sha256_bytes(self._float_model),
            },
        }

    def timings(self, model: bytes) -> Mapping[str, Any]:
        """Return the latency of one flatbuffer beside the float one, both among those that `complete` timed."""
        latency, float_latency = self._latencies[model], self._latencies[self._float_model]
        ratio = latency["p50"] / float_latency["p50"]
        return {"latency_us": latency, "float_latency_us": float_latency, "latency_ratio": ratio}

    def _scored(self, trial: Trial) -> Trial:
        values = self.judge.values(trial.flatbuffer)
        same = agreement(self._data.task, self.float_values, values)
        return replace(trial, score=self.judge.score(values), agreement=same)

    def _interval(self, values: Array) -> tuple[float, float] | None:
        task = self._data.task
        if not counts_samples(task):
            return None
        return wilson_interval(int(correct(task, self.judge.y, values).sum()), len(values))
