"""What `qatflow online` shows: a line for each event, and on a terminal how fast and how well it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from qatflow.screen import Screen

if TYPE_CHECKING:
    from qatflow.online.course import Course  # imports TensorFlow

SPOKEN = ("begun", "resumed", "candidate", "released", "ended", "refused")


class OnlineScreen:
    """See `online.run.Watching`.

    Args:
        screen: Where to.
        log: Takes the course and the records that wait, at each event.
    """

    def __init__(self, screen: Screen, log: Callable[[Course, int | None], None]) -> None:
        self._screen, self._log = screen, log
        self._started, self._before = time.monotonic(), 0
        self._classes: int | None = None
        self._lag: int | None = None

    def __call__(self, course: Course, event: str, lag: int | None) -> None:
        """Show and log an event."""
        if event == "read":
            self._screen.wait(self._present(course))
            return
        self._lag = self._lag if lag is None else lag
        if event in {"begun", "resumed"}:
            self._started, self._before = time.monotonic(), course.now.learned
        self._log(course, lag)
        self._say_new(course.parts.intake.names)
        if event.startswith(SPOKEN):
            self._screen.ready()
            self._screen.say(f" {course.now.learned:8}  {_accuracy(course):>7}  {_told(course, event)}")

    def _present(self, course: Course) -> str:
        """Return the line that is renewed as long as it learns."""
        now, judged = course.now, course.candidates
        rate = (now.learned - self._before) / max(time.monotonic() - self._started, 1e-9)
        waiting = "" if self._lag is None else f", {self._lag:,} records behind"
        promoted = sum(one.outcome == "promoted" for one in judged)
        learned = f"{now.learned:,} samples learned, {rate:.0f}/s{waiting}, prequential accuracy {_accuracy(course)}"
        return f"{learned}, drifts {len(now.drifts)}, promoted {promoted} of {len(judged)}"

    def _say_new(self, names: tuple[str, ...]) -> None:
        """Name the classes that came to be since the event before."""
        for name in names[self._classes :] if self._classes is not None else ():
            self._screen.say(f" a new class: {name}")
        self._classes = len(names)


def _accuracy(course: Course) -> str:
    recent = course.prequential.recent()
    return "-" if recent is None else f"{recent:.1%}"


def _told(course: Course, event: str) -> str:
    if event not in {"candidate", "released"}:
        return event
    judged = course.candidates[-1]
    figures = f"hold-out {judged.holdout:.1%}, window {judged.window:.1%} against {judged.window_champion:.1%}"
    return f"candidate {judged.number} ({judged.sha256[:8]}) {judged.outcome}: {'; '.join(judged.reasons) or figures}"
