"""Watches one training through its progress: when each epoch ended, what it gave, whether to go on."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qatflow import artifacts

_EPOCH = re.compile(r", epoch (\d+)/(\d+)$")
History = list[dict[str, float]]


class Pruned(Exception):  # noqa: N818 (not an error, the end of a trial)
    """A trial was ended before its time; `history` is what it had given."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


class Watcher:
    """Takes the place of a `qatflow.progress.Progress`; what it calls an epoch is what `training.callbacks.Watch` does.

    A figure is known one epoch late: progress is told before the checkpoint, which holds the figure, is written.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._ended: dict[int, float] = {}
        self._folder: Path | None = None
        self._goes_on: Callable[[int, float], bool] = lambda _epoch, _figure: True
        self._told = 0

    def __call__(self, label: str, done: int, total: int) -> None:
        """Note the end of an epoch.

        Raises:
            Pruned: If the trial is not worth going on with.
        """
        found = _EPOCH.search(label)
        if found is None:
            return
        epoch, epochs = int(found[1]), int(found[2])
        if done * epochs == epoch * total:
            self._ended[epoch] = time.monotonic() - self._started
        self._judge()

    def start(self) -> None:
        """Set the clock to zero."""
        self._started = time.monotonic()

    def follow(self, folder: Path, goes_on: Callable[[int, float], bool]) -> None:
        """Ask `goes_on` for each epoch that has a checkpoint below `folder`."""
        self._folder, self._goes_on = folder, goes_on

    def epoch_seconds(self, epochs: int) -> list[float]:
        """Return when each epoch ended, in seconds since the training began."""
        return [self._ended[epoch] for epoch in range(1, epochs + 1)]

    def _judge(self) -> None:
        history = _newest_history(self._folder) if self._folder else []
        while self._told < len(history):
            self._told += 1
            if not self._goes_on(self._told, figure(history[self._told - 1])):
                raise Pruned(f"worse than most others after epoch {self._told}", history)


def figure(entry: dict[str, float]) -> float:
    """Return what an epoch is judged by, higher is better: accuracy on the validation split, else its loss, negated."""
    return entry.get("val_accuracy", -entry["val_loss"])


def _newest_history(folder: Path) -> History:
    found: list[Any] = sorted(folder.glob("*/epoch-*/history.json"))
    return list(artifacts.read_json(found[-1])) if found else []
