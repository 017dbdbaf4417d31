"""How a sweep looks on the terminal: a line for each trial that ended, a bar for those to come, the findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from qatflow.errors import hidden
from qatflow.results import known
from qatflow.screen import Screen, StageLine
from qatflow.sweep.result import TrialResult

_MARKS = {"done": ("✓", ""), "pruned": ("✂", "dim"), "failed": ("✗", "yellow"), "lost": ("✗", "red")}


class SweepScreen:
    """The trials of one sweep. Use as a context manager, which draws the bar."""

    def __init__(self, screen: Screen, total: int) -> None:
        self._screen, self._total, self._ended = screen, total, 0
        self._line = StageLine(screen.console, "trials")

    def show(self, name: str, result: TrialResult, *, repeated: bool) -> None:
        """Print the line of a trial that ended, and move the bar."""
        self._ended += 1
        mark, style = ("·", "dim") if repeated and result.status == "done" else _MARKS[result.status]
        self._screen.say(f" {mark} {name:74}{_figures(result)}", style)
        self._line.progress(f"trials; last: {name}", self._ended, self._total)

    def __enter__(self) -> SweepScreen:
        self._screen.ready()
        self._line.bar.start()
        self._line.progress("trials", 0, self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.bar.stop()


def say_summary(screen: Screen, summary: Mapping[str, Any], report: Path, tracking_uri: str) -> None:
    """Print how many trials ended how, the best one, and where to look."""
    counts = ", ".join(f"{count} {status}" for status, count in summary["counts"].items() if count)
    best = next((trial for trial in summary["trials"] if trial["key"] == summary["best"]), None)
    screen.say()
    if best:
        screen.say(
            f" {best['name']} is the best on the validation split: {best['val_score']:.4f}; on the test split "
            f"{best['test_score']:.4f}, with {best['size_bytes']} bytes",
            "bold",
        )
    screen.say(f"   {counts}", "dim")
    screen.say(f" report  {report}")
    uri = hidden(tracking_uri)
    screen.say(f" MLflow  {uri}   (mlflow ui --backend-store-uri {uri})")


def _figures(result: TrialResult) -> str:
    if result.status != "done":
        return f" {result.status}: {result.reason}"
    return f"{result.figures.val_score:8.4f}{result.figures.size_bytes:>9} B{known(result.seconds, 'time'):8.1f} s"
