"""Learns from a stream until it is stopped, or read up: `python -m flows.online --stream ADDRESS`, `qatflow online`."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow
from rich.console import Console

from flows.prefect_server import own_server
from flows.program import program
from flows.session import LOG, ROOT
from qatflow import params_file
from qatflow.artifacts import MANIFEST, sha256_file
from qatflow.cli.online_screen import OnlineScreen
from qatflow.cli.screen import Screen
from qatflow.errors import StageError
from qatflow.params.root import Params

if TYPE_CHECKING:
    from qatflow.online.course import Course  # imports TensorFlow

_stopping = threading.Event()
_screens: list[Screen] = []  # the one that `main` opened before Prefect started


@flow(name="online")
def online(stream: str, state: str, begin: str | None = None, until_end: bool = False) -> int:
    """Predict, learn and release, record by record; return how many samples were learned in all.

    Raises:
        QATFlowError: If the stream, the state or the model cannot be used. What was learned up to the last checkpoint
            is kept; the same command goes on from there.
    """
    from qatflow import backend
    from qatflow.adapters.dvc_snapshots import version_snapshot
    from qatflow.adapters.mlflow_online import OnlineRun
    from qatflow.adapters.online_release import ProjectRelease
    from qatflow.adapters.online_source import find_champion
    from qatflow.online.run import run
    from qatflow.online.snapshot import take_snapshot
    from qatflow.online.source import begin as begin_course
    from qatflow.online.source import open_source
    from qatflow.online.streams import open_stream

    params, shown = params_file.load(ROOT / "params.yaml"), stream.partition("?")[0]
    opened = open_stream(stream)
    try:
        source = open_source(ROOT, params, find_champion(params, ROOT, begin))
        backend.start(params.seed)
        course = begin_course(source, params)
        began = {f"quantize/{source.strategy}": sha256_file(source.quantized / MANIFEST)}
        release = ProjectRelease(ROOT, params, source.data, source.strategy, began, shown)
        screen = _screens[0] if _screens else Screen(Console(quiet=True))
        with (
            _shown(course, params, shown, Path(state), screen),
            OnlineRun(params, ROOT, {"stream": shown, "strategy": source.strategy}) as tracked,
        ):
            run(
                course,
                opened,
                Path(state),
                release,
                OnlineScreen(screen, tracked.log),
                until_end=until_end,
                stop=_stopping.is_set,
                keep=lambda learned, judged: version_snapshot(
                    ROOT, take_snapshot(learned, opened, Path(state), judged, source.quantized)
                ),
            )
    except OSError as error:
        raise StageError(f"Cannot keep checkpoints in {state}: {error.strerror or error}; older ones stay") from error
    finally:
        opened.close()
    return course.now.learned


@contextmanager
def _shown(course: Course, params: Params, stream: str, state: Path, screen: Screen) -> Iterator[None]:
    """Show the course after the block; one that an error ended too, unless it was refused before it took a record."""
    from qatflow.report.course import alarms
    from qatflow.visualize.online import course_figures, show_course

    ended = ""
    try:
        yield
    except BaseException as error:
        ended = str(error) or type(error).__name__
        raise
    finally:
        if course.now.records or not ended:
            screen.wait("writing the report")
            said = show_course(ROOT, params, course_figures(course, stream, ended), state)
            screen.ready()
            for alarm in alarms(course_figures(course, stream)):
                screen.say(f" Alarm: {alarm}", "red")
            screen.say(f" {said}")


def main() -> None:
    """Learn on one calm screen; SIGTERM and Ctrl-C end it after a checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m flows.online", description=__doc__)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--state", default=str(ROOT / "online"))
    parser.add_argument("--from", dest="begin")
    parser.add_argument("--until-end", action="store_true")
    arguments = parser.parse_args()
    with program(LOG, "Checkpoints are kept; the same command goes on from the newest.") as screen:
        _screens.append(screen)
        screen.wait("starting Prefect and TensorFlow")
        with own_server() as use:
            use()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: _stopping.set())
            learned = online(arguments.stream, arguments.state, arguments.begin, arguments.until_end)
        screen.ready()
        screen.say(f" {learned} samples learned in all; checkpoints in {arguments.state}")


if __name__ == "__main__":
    main()
