"""The search itself: cheap candidates first, trained ones only where they could still win and end in time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from time import monotonic
from typing import Protocol

from qatflow import backend
from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.evaluation.sizes import zstd_bytes
from qatflow.params.quantize import QuantizeParams
from qatflow.progress import Progress
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import Made
from qatflow.search.classes import ClassGuard
from qatflow.search.clock import Clock
from qatflow.search.decide import best, bytes_of, fits, qualifies, reason_not_to_train, reason_to_skip, why_chosen
from qatflow.search.figures import TestFigures
from qatflow.search.forecast import Sizes, rounding_seconds, training_seconds
from qatflow.search.judge import Judge
from qatflow.search.names import FIRST, compressions_of, ordered
from qatflow.search.options import Goal, Options
from qatflow.search.result import SearchResult
from qatflow.search.trial import Trial
from qatflow.tflite.convert import convert_float

FLOAT, ROUNDED, MIXED = "float32", "ptq_w4a8", "qat_mixed"

MIXED_MARGIN = 0.98
"""Share of the size budget that mixed widths aim at: their probe flatbuffers differ a little from the final one."""


class Maker(Protocol):
    """Makes a flatbuffer by a strategy: `qatflow.quantization.run.make`."""

    def __call__(
        self,
        strategy: str,
        model: keras.Model,
        data: PreparedData,
        settings: QuantizeParams,
        *,
        seed: int,
        progress: Progress,
    ) -> Made:
        """Make it; see there."""


class Search:
    """One search over strategies for a float model.

    Args:
        model: Of the data's input shape and task.
        data: Candidates are compared on the validation split; final figures come from the test split.
        goal: What to look for.
        options: How to make candidates, and whom to tell.
        make: Makes a candidate.
        clock: Started when the caller's time began to count.

    Raises:
        ConversionError: If TFLite cannot express the float model itself.
    """

    def __init__(
        self, model: keras.Model, data: PreparedData, goal: Goal, options: Options, *, make: Maker, clock: Clock
    ) -> None:
        self._model, self._data, self._goal, self._options = model, data, goal, options
        self._make, self._clock = make, clock
        self._float_model = convert_float(model)
        self._sizes = Sizes(self._float_model, goal, options.settings.compression)
        self._judge = Judge(data, data.val)
        self._classes = ClassGuard(data, self._float_model, self._judge.values(self._float_model))
        self._final_s = 0.0  # what scoring all candidates on the test split will take
        self._trials = [self._measured(FLOAT, self._float_model, monotonic())]
        self._float_score = self._trials[0].val_score or 0.0

    def only(self, strategy: str) -> SearchResult:
        """Make one candidate, whatever it is worth.

        Raises:
            QATFlowError: If it cannot be made.
            ParamsError: If it does not fit the size budget; the message names its size.
        """
        if strategy != FLOAT:
            self._add(self._attempt(strategy))
        chosen = self._trials[-1]
        if not fits(chosen, self._goal):
            raise ParamsError(
                f"{strategy} makes {bytes_of(chosen, self._goal)} bytes, more than the size budget of "
                f"{self._goal.size_budget}; `auto` looks for a smaller one"
            )
        return self._result(chosen, self._asked_for(chosen))

    def auto(self, names: Sequence[str], *, exhaustive: bool = False) -> SearchResult:
        """Try strategies until nothing left could beat what there is; all of them if `exhaustive`, in any time.

        Raises:
            ParamsError: If nothing fits the size budget; the message names the nearest size that does.
        """
        self._options.on_trial(self._trials[0])
        cheap, trained = ordered([name for name in names if name != FLOAT])
        for name in chain(cheap, trained) if exhaustive else self._promising(cheap, trained):
            self._try(name)
        chosen = best(self._finished(), self._goal, self._float_score)
        if chosen is None:
            raise ParamsError(self._nearest())
        reason = why_chosen(chosen, self._finished(), self._goal, self._float_score, self._judge.metric)
        return self._result(chosen, reason)

    def _promising(self, cheap: list[str], trained: list[str]) -> Iterator[str]:
        """Yield what could still win and end in time; write down why the others could not."""
        for name in chain(cheap, self._by_size(trained)):
            bound = self._sizes.bound(name, self._trials)
            reason = "" if name in FIRST else reason_to_skip(bound, self._trials, self._goal, self._float_score)
            reason = reason or (reason_not_to_train(self._trials) if STRATEGIES[name].trained else "")
            reason = reason or self._clock.reason_to_skip(self._expected_seconds(name) + self._final_s)
            if reason:
                self._add(Trial(name, "skipped", reason))
            else:
                yield name

    def _try(self, name: str) -> None:
        """Make a candidate; a failure is written down."""
        started = monotonic()
        try:
            self._add(self._attempt(name))
        except Exception as error:  # noqa: BLE001 (one candidate's failure, of whatever kind, must not lose the others)
            told = " ".join(f"{error}".split()) or type(error).__name__
            self._add(Trial(name, "failed", told[:200], monotonic() - started))

    def _attempt(self, name: str) -> Trial:
        started = monotonic()
        settings, seed, progress = self._settings(name), self._options.seed, self._options.told
        backend.start(seed)  # the bytes must not depend on what was tried before
        made = self._make(name, self._model, self._data, settings, seed=seed, progress=progress)
        measured = self._measured(name, made.flatbuffer, started)
        return replace(measured, widths=dict(made.widths), notes=made.notes, alarm=made.alarm)

    def _settings(self, name: str) -> QuantizeParams:
        """Return the engine's settings; layers of mixed widths aim at the size budget where that is narrower."""
        settings, budget = self._options.quantization, self._goal.size_budget
        sizes = [trial.size_bytes for trial in self._finished() if trial.strategy == FIRST[0] and trial.size_bytes]
        if name != MIXED or budget is None or not sizes:
            return settings
        ratio = min(settings.mixed.size_ratio, MIXED_MARGIN * budget / sizes[0])
        return settings.model_copy(update={"mixed": settings.mixed.model_copy(update={"size_ratio": ratio})})

    def _measured(self, name: str, flatbuffer: bytes, started: float) -> Trial:
        judging = monotonic()
        values = self._judge.values(flatbuffer)
        score, worst = self._judge.score(values), self._classes.loss(flatbuffer, values)
        where = "validation samples, and mixtures of training samples"
        lost = worst if worst is not None and worst.least > self._goal.max_drop else None
        seconds = monotonic() - started
        self._final_s += (monotonic() - judging) * self._data.test.count / self._data.val.count
        return Trial(
            name,
            "measured",
            seconds=seconds,
            val_score=score,
            class_loss=worst.least if worst is not None else 0.0,
            lost=self._classes.told(lost, where) if lost else "",
            size_bytes=len(flatbuffer),
            zstd_bytes=zstd_bytes(flatbuffer),
            flatbuffer=flatbuffer,
        )

    def _add(self, trial: Trial) -> None:
        self._trials.append(trial)
        self._options.on_trial(trial)

    def _by_size(self, names: list[str]) -> Iterator[str]:
        """Yield what may become smallest first, in view of what was measured by then."""
        waiting = list(names)
        while waiting:
            name = min(waiting, key=lambda name: self._sizes.bound(name, self._trials))
            waiting.remove(name)
            yield name

    def _expected_seconds(self, name: str) -> float:
        """Predict from the candidates before, or the first of its kind from timed steps. 0 without a time budget."""
        if self._clock.budget is None:
            return 0.0
        if name == ROUNDED:
            return rounding_seconds(self._model, self._data, self._options.quantization)
        if not STRATEGIES[name].trained:
            return max((trial.seconds for trial in self._finished() if not self._epochs(trial.strategy)), default=0.0)
        each = [trial.seconds / epochs for trial in self._finished() if (epochs := self._epochs(trial.strategy))]
        if each:
            return max(each) * self._epochs(name)
        training = self._options.quantization.training.model_copy(update={"epochs": self._epochs(name)})
        return training_seconds(self._model, self._data, training)

    def _epochs(self, name: str) -> int:
        """Return how many epochs a strategy trains, in float and with fake-quants."""
        settings = self._options.quantization
        first = settings.compression.epochs if set(compressions_of(name)) - {"cluster"} else 0
        return settings.training.epochs + first if STRATEGIES[name].trained else 0

    def _finished(self) -> list[Trial]:
        return [trial for trial in self._trials if trial.status == "measured"]

    def _asked_for(self, chosen: Trial) -> str:
        drop = self._float_score - (chosen.val_score or 0.0)
        what = chosen.lost or f"it loses {drop:.4f} of {self._judge.metric}"
        more = f"; {what}, more than {self._goal.max_drop:g}"
        return f"the strategy that was asked for{'' if qualifies(chosen, self._goal, self._float_score) else more}"

    def _nearest(self) -> str:
        smallest = min(self._finished(), key=lambda trial: bytes_of(trial, self._goal))
        return (
            f"No candidate fits the size budget of {self._goal.size_budget} bytes; the nearest is {smallest.strategy} "
            f"with {bytes_of(smallest, self._goal)} bytes"
        )

    def _result(self, chosen: Trial, reason: str) -> SearchResult:
        """Measure all candidates on the test split."""
        figures, runs = TestFigures(self._float_model, self._data), self._options.latency_runs
        finished = {trial.strategy: trial for trial in figures.complete(self._finished(), runs, self._options.told)}
        values = figures.judge.values(chosen.flatbuffer)
        return SearchResult(
            chosen=finished[chosen.strategy],
            reason=reason,
            metric=figures.judge.metric,
            trials=tuple(finished.get(trial.strategy, trial) for trial in self._trials),
            evaluation=figures.evaluation(chosen.flatbuffer, values),
            timings=figures.timings(chosen.flatbuffer),
            notes=self._classes.on_test(values, figures.float_values, self._goal.max_drop),
            goal=self._goal,
            seconds=self._clock.elapsed,
            seed=self._options.seed,
            data=self._data,
        )
