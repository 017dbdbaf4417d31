"""The final figures of all candidates, on the test split and side by side."""

from collections.abc import Sequence
from dataclasses import replace

from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.evaluation.agreement import agreement
from qatflow.evaluation.figures import Answered, evaluation_of, timings_of
from qatflow.evaluation.latency import interleaved_latency
from qatflow.evaluation.result import Evaluation, Latency, Timings
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
        self._latencies: dict[bytes, Latency] = {}

    def complete(self, trials: Sequence[Trial], runs: int, progress: Progress) -> list[Trial]:
        """Return measured trials with score, agreement, latency and their place on the Pareto front."""
        sample, _ = self._data.test.arrays(1)
        times = interleaved_latency(
            [trial.flatbuffer for trial in trials], sample, threads=1, runs=runs, progress=progress
        )
        self._latencies = {trial.flatbuffer: latency for trial, latency in zip(trials, times, strict=True)}
        finished = [replace(self._scored(trial), latency_us=self._latencies[trial.flatbuffer].p50) for trial in trials]
        costs = [
            (trial.size_bytes or 0, trial.zstd_bytes or 0, -(trial.score or 0.0), trial.latency_us or 0.0)
            for trial in finished
        ]
        return [replace(trial, on_pareto_front=on) for trial, on in zip(finished, pareto_front(costs), strict=True)]

    def evaluation(self, model: bytes, values: Array) -> Evaluation:
        """Return the figures of one flatbuffer, and of its `values`."""
        own, reference = (
            Answered(content, answers, self.judge.measures(answers))
            for content, answers in ((model, values), (self._float_model, self.float_values))
        )
        return evaluation_of(self._data.task, self.judge.y, own, reference, metric=self.judge.metric)

    def timings(self, model: bytes) -> Timings:
        """Return the latency of one flatbuffer beside the float one, both among those that `complete` timed."""
        return timings_of(self._latencies[model], self._latencies[self._float_model])

    def _scored(self, trial: Trial) -> Trial:
        values = self.judge.values(trial.flatbuffer)
        same = agreement(self._data.task, self.float_values, values)
        return replace(trial, score=self.judge.score(values), agreement=same)
