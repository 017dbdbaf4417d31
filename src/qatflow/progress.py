"""How long work tells how far it is, and how that is drawn for a caller who did not say how."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

Progress = Callable[[str, int, int], None]
"""Called as `progress(label, done, total)`; `label` is a short phrase, `done <= total`."""


def silent(label: str, done: int, total: int) -> None:
    """Draw nothing."""


@contextmanager
def shown(wanted: Progress | bool) -> Iterator[Progress]:
    """Give the progress to tell: a bar in a terminal or notebook, which goes away at the end; elsewhere nothing.

    Args:
        wanted: True for the bar, False for nothing; or what is told instead.
    """
    if callable(wanted):
        yield wanted
    elif wanted and _in_notebook():
        yield from _notebook_bar()
    elif wanted and sys.stdout.isatty():
        yield from _terminal_bar()
    else:
        yield silent


def _in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this; IPython in a terminal is a terminal."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def _notebook_bar() -> Iterator[Progress]:
    display: Any = sys.modules["IPython"].display  # there: it is what runs this
    handle = display.display(display.HTML(""), display_id=True)

    def tell(label: str, done: int, total: int) -> None:
        bar = f'<progress value="{done}" max="{max(total, 1)}"></progress>'
        handle.update(display.HTML(f"{bar} {escape(label)} {done}/{total}"))

    try:
        yield tell
    finally:
        handle.update(display.HTML(""))


def _terminal_bar() -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    parts = TextColumn(" … {task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bar(*parts, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda label, done, total: bar.update(task, description=label, completed=done, total=total)
