"""One calm screen: a line for each finished stage, a bar for the one under way; libraries' noise goes to a log file."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from qatflow.errors import StageError

_MARKS = {
    "ran": ("✓", "green"),
    "restored": ("↺", "cyan"),
    "tracked": ("+", "cyan"),
    "fresh": ("·", "dim"),
    "failed": ("✗", "red"),
}


class Screen:
    """Draws the stages of one run on a console; on anything but a terminal it only prints finished lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._waiting = console.status("")

    def wait(self, text: str) -> None:
        """Show, on a terminal, that something is under way; until `ready` is called."""
        self._waiting.update(f" {text}")
        self._waiting.start()

    def ready(self) -> None:
        """Take the notice of `wait` away."""
        self._waiting.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator["StageLine"]:
        """Show a stage as under way, then as the outcome that the block sets, "failed" if it raises."""
        line = StageLine(self.console, name)
        started = time.monotonic()
        with line.bar:
            try:
                yield line
            except BaseException:
                line.outcome = "failed"
                raise
            finally:
                line.bar.stop()
                mark, style = _MARKS[line.outcome]
                seconds = "" if line.outcome == "fresh" else f"{time.monotonic() - started:7.1f} s"
                self.console.print(
                    Text.assemble((f" {mark} ", style), f"{name:34}", (f"{line.outcome:9}", style), seconds)
                )

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line as it is, without markup."""
        self.console.print(Text(text, style=style), soft_wrap=True)


class StageLine:
    """The line of a stage under way. Its `progress` is a `qatflow.progress.Progress`."""

    def __init__(self, console: Console, name: str) -> None:
        columns = (
            TextColumn(" … {task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.outcome = "ran"
        self._task = self.bar.add_task(name, total=None)

    def progress(self, label: str, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.update(self._task, description=label, completed=done, total=total)


@contextmanager
def quiet(log: Path) -> Iterator[Console]:
    """Send everything that is printed to `log`, except through the console that this gives.

    Raises:
        StageError: If the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.open("ab").close()
    except OSError as error:
        raise StageError(f"Cannot write {log} ({error.strerror}); whoever works in a project must own it") from None
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with log.open("ab") as file, os.fdopen(os.dup(1), "w") as screen:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Console(file=screen, highlight=False)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
