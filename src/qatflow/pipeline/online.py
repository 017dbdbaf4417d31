"""The steps of online learning: from a stream, record by record, until it is stopped or the stream is read up."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import flow

from qatflow import params_file
from qatflow.artifacts import MANIFEST, sha256_file
from qatflow.errors import StageError
from qatflow.params.root import Params
from qatflow.pipeline.online_screen import OnlineScreen
from qatflow.pipeline.program import program
from qatflow.pipeline.server import own_server
from qatflow.pipeline.session import LOG
from qatflow.screen import Screen

if TYPE_CHECKING:
    from qatflow.online.course import Course  # imports TensorFlow


@dataclass(frozen=True)
class Asked:
    """What is to be learned from, and where it is kept.

    Attributes:
        stream: Address, see `qatflow online --help`.
        state: Folder of the checkpoints.
        begin: A bundle or models:/NAME@ALIAS to begin with; by default the deployed one.
        until_end: Whether to stop when the stream is read up.
    """

    stream: str
    state: str
    begin: str | None = None
    until_end: bool = False


def learn(root: Path, asked: Asked, screen: Screen, stopping: threading.Event) -> int:
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

    params, shown = params_file.load(root / "params.yaml"), asked.stream.partition("?")[0]
    state = Path(asked.state)
    opened = open_stream(asked.stream)
    try:
        source = open_source(root, params, find_champion(params, root, asked.begin))
        backend.start(params.seed)
        course = begin_course(source, params)
        began = {f"quantize/{source.strategy}": sha256_file(source.quantized / MANIFEST)}
        release = ProjectRelease(root, params, source.data, source.strategy, began, shown)
        with (
            _shown(root, course, params, shown, state, screen),
            OnlineRun(params, root, {"stream": shown, "strategy": source.strategy}) as tracked,
        ):
            run(
                course,
                opened,
                state,
                release,
                OnlineScreen(screen, tracked.log),
                until_end=asked.until_end,
                stop=stopping.is_set,
                keep=lambda learned, judged: version_snapshot(
                    root, take_snapshot(learned, opened, state, judged, source.quantized)
                ),
            )
    except OSError as error:
        raise StageError(f"Cannot keep checkpoints in {state}: {error.strerror or error}; older ones stay") from error
    finally:
        opened.close()
    return course.now.learned


@contextmanager
def _shown(root: Path, course: Course, params: Params, stream: str, state: Path, screen: Screen) -> Iterator[None]:
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
            said = show_course(root, params, course_figures(course, stream, ended), state)
            screen.ready()
            for alarm in alarms(course_figures(course, stream)):
                screen.say(f" Alarm: {alarm}", "red")
            screen.say(f" {said}")


def run_program(root: Path, words: Sequence[str]) -> None:
    """Learn, as a flow, on one calm screen; SIGTERM and Ctrl-C end it after a checkpoint."""
    asked = _asked(root, words)
    stopping = threading.Event()
    with program(root, root / LOG, "Checkpoints are kept; the same command goes on from the newest.") as screen:
        screen.wait("starting Prefect and TensorFlow")

        @flow(name="online")
        def online(stream: str, state: str) -> int:  # noqa: ARG001 (shown by Prefect)
            return learn(root, asked, screen, stopping)

        with own_server(root) as use:
            use()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopping.set())
            learned = online(asked.stream, asked.state)
        screen.ready()
        screen.say(f" {learned} samples learned in all; checkpoints in {asked.state}")


def _asked(root: Path, words: Sequence[str]) -> Asked:
    parser = argparse.ArgumentParser(prog="python -m flows.online", description=__doc__)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--state", default=str(root / "online"))
    parser.add_argument("--from", dest="begin")
    parser.add_argument("--until-end", action="store_true")
    return Asked(**vars(parser.parse_args(words)))
