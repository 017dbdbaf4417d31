"""Plays a sweep: asks for trials, hands them to whatever runs them, takes what they gave. Knows no cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qatflow.params.root import Params
from qatflow.sweep.keep import keep_result, read_result
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial, trial_key


@dataclass(frozen=True)
class Epoch:
    """A running trial finished an epoch (from 1); `figure`: higher is better."""

    trial: Trial
    epoch: int
    figure: float


@dataclass(frozen=True)
class Ended:
    """A trial ended; its result is what `measure.measure_trial` gave, or what `lost` makes."""

    trial: Trial
    result: TrialResult


class Source(Protocol):
    """Chooses trials: `trials.Grid` or `study.Search`, which see."""

    total: int

    def earlier(self) -> list[TrialResult]: ...  # noqa: D102
    def ask(self) -> Trial | None: ...  # noqa: D102
    def goes_on(self, trial: Trial, epoch: int, figure: float) -> bool: ...  # noqa: D102
    def tell(self, trial: Trial, result: TrialResult) -> None: ...  # noqa: D102


class Workers(Protocol):
    """Runs trials elsewhere, several at a time."""

    def slots(self) -> int:
        """Return how many trials may be under way now."""

    def submit(self, trial: Trial) -> None:
        """Begin a trial; sooner or later `next` tells that it ended, whatever happens to who runs it."""

    def stop(self, trial: Trial) -> None:
        """Ask a running trial to end; it may be too late."""

    def next(self) -> Epoch | Ended:
        """Wait for what happens next.

        Raises:
            QATFlowError: If no trial can run, such as on workers with other data.
        """


Heard = Callable[[TrialResult, bool], None]
"""Told each result as it arrives, and whether an earlier sweep had finished it."""


@dataclass(frozen=True)
class Project:
    """Where a sweep happens: its folder, parameters, and digests of code and data."""

    root: Path
    params: Params
    origin: Mapping[str, str]

    def key(self, trial: Trial) -> str:
        """Return the digest of all that a trial's result depends on."""
        return trial_key(trial, self.params, self.origin)


def play(source: Source, workers: Workers, project: Project, heard: Heard) -> list[TrialResult]:
    """Run all trials and return their results in the order in which they ended; those kept on disk are not run again.

    Raises:
        QATFlowError: What `workers.next` raised.
    """
    game = _Game(source, workers, project, heard)
    for result in source.earlier():
        game.take(result, repeated=True)
    game.begin()
    while game.under_way:
        game.wait()
        game.begin()
    return game.results


class _Game:
    def __init__(self, source: Source, workers: Workers, project: Project, heard: Heard) -> None:
        self._source, self._workers, self._project, self._heard = source, workers, project, heard
        self.results: list[TrialResult] = []
        self.under_way: set[Trial] = set()

    def take(self, result: TrialResult, *, repeated: bool) -> None:
        self.results.append(result)
        self._heard(result, repeated)

    def begin(self) -> None:
        """Give the workers as many trials as they take; what is kept is taken from disk at once."""
        while len(self.under_way) < self._workers.slots() and (trial := self._source.ask()) is not None:
            found = read_result(self._project.root, self._project.key(trial))
            if found is None:
                self._workers.submit(trial)
                self.under_way.add(trial)
            else:
                self._source.tell(trial, found)
                self.take(found, repeated=True)

    def wait(self) -> None:
        """Act on what happens next."""
        event = self._workers.next()
        if isinstance(event, Ended):
            self.under_way.discard(event.trial)
            self._source.tell(event.trial, event.result)
            _keep(self._project, event.result)
            self.take(event.result, repeated=False)
        elif event.trial in self.under_way and not self._source.goes_on(event.trial, event.epoch, event.figure):
            self._workers.stop(event.trial)


def lost(trial: Trial, key: str, reason: str) -> TrialResult:
    """Return the result of a trial that nobody brought to an end."""
    return TrialResult(trial=trial, key=key, status="lost", reason=reason)


def _keep(project: Project, result: TrialResult) -> None:
    """A worker keeps what it finished on its own machine, which may be another one."""
    if result.status in {"done", "failed"}:
        keep_result(project.root, result.key, result)
