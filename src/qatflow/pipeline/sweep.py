"""The steps of a sweep: prepare the data, run the trials that are missing on a Dask cluster, write one report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prefect import flow
from prefect.settings import PREFECT_API_URL

from qatflow import params_file
from qatflow.adapters.mlflow_sweep import SweepTracker
from qatflow.errors import StageError
from qatflow.holding import held, project_lock
from qatflow.params.root import Params
from qatflow.pipeline.dask_trials import DaskTrials, task_runner
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.graph import Graph
from qatflow.pipeline.program import program
from qatflow.pipeline.server import own_server
from qatflow.pipeline.sweep_screen import SweepScreen, say_summary
from qatflow.pipeline.worker_process import StageWorker
from qatflow.report.sweep import write_report
from qatflow.screen import Screen, StageLine
from qatflow.sweep.keep import only_one
from qatflow.sweep.origin import origin_of
from qatflow.sweep.play import Project, Source, play
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Grid

LOG = Path("logs") / "sweep.log"
REPORT = Path("artifacts") / "sweep"
"""Of a project."""


@dataclass
class Board:
    """One sweep: what is asked, what is told. MLflow and Optuna are opened before Prefect's engine starts."""

    project: Project
    source: Source
    tracker: SweepTracker
    screen: SweepScreen

    def heard(self, result: TrialResult, repeated: bool) -> None:
        """Log and show a result."""
        name = result.trial.name
        self.tracker.log(name, result, repeated=repeated)
        self.screen.show(name, result, repeated=repeated)


def run(root: Path, screen: Screen, reason: str) -> None:
    """Prepare the data if need be, run all trials, write the report.

    Raises:
        QATFlowError: If parameters or data are not right, a service does not answer, or trials were lost.
    """
    params = params_file.load(root / "params.yaml")
    _check_reachable(params)
    with only_one(root):
        with held(project_lock(root), "`qatflow sweep`, which prepares the data"):
            _prepare(root, screen, params)
        project = Project(root, params, origin_of(root))
        screen.wait("opening MLflow, and starting Prefect and Dask")
        tracker, source = SweepTracker(root, params, reason), _source(project)
        done = False
        try:
            with own_server(root) as use, SweepScreen(screen, source.total) as shown:
                use()
                results = _flow(Board(project, source, tracker, shown))()
            summary = write_report(results, params, root / REPORT)
            done = True
        finally:
            tracker.finish(root / REPORT if done else None)
    say_summary(screen, summary, root / REPORT / "index.html", params.tracking.uri)
    if summary["counts"]["lost"]:
        first = next(trial for trial in summary["trials"] if trial["status"] == "lost")
        raise StageError(
            f"{summary['counts']['lost']} trials were lost, such as {first['name']}: {first['reason']}. "
            f"Run again: finished ones are kept. Details: {root / LOG}"
        )


@dataclass(frozen=True)
class _Here:
    """Holds what stays in this process. A flow goes with its tasks to the workers, which need nothing of it."""

    board: Board | None

    def __reduce__(self) -> tuple[type[_Here], tuple[None]]:
        return _Here, (None,)


def _flow(board: Board) -> Any:
    """Return the flow that runs the trials on the flow's Dask cluster, those that are missing; gives what all gave."""
    here = _Here(board)
    runner = cast("Any", task_runner(board.project.params.sweep))  # Prefect's types forbid its own runners' futures

    @flow(name="sweep", task_runner=runner)
    def sweep() -> list[TrialResult]:
        mine = cast("Board", here.board)
        return play(mine.source, DaskTrials(mine.project), mine.project, mine.heard)

    return sweep


def _source(project: Project) -> Source:
    if project.params.sweep.search == "grid":
        return Grid(project.params)
    from qatflow.sweep.study import Search

    return Search(project.params, project.root, project.origin)


def _prepare(root: Path, screen: Screen, params: Params) -> None:
    """Bring stage `prepare`, and the data that DVC tracks, up to date."""
    bring_up_to_date(root)
    graph = Graph(root)
    names = graph.stages()
    data = [name for name in names[: names.index("prepare")] if name.endswith(".dvc")]
    with StageWorker(root, root / LOG, preload=False) as worker:
        for name in (*data, "prepare"):
            with screen.stage(name) as line:

                def execute(stage: str, line: StageLine = line) -> None:
                    worker.run(stage, params.flow.stage_timeout_s, line.progress)

                line.outcome = graph.ensure(name, execute)


def _check_reachable(params: Params) -> None:
    if params.sweep.scheduler and not PREFECT_API_URL.value():
        raise StageError(
            "Workers on other machines need a Prefect server that they can reach: start `prefect server start --host "
            "0.0.0.0`, and set PREFECT_API_URL here to its address"
        )


def run_program(root: Path, reason: str) -> None:
    """Run the sweep on one calm screen; end with exit code 1 and a plain sentence if it fails."""
    with program(root, root / LOG, "Finished trials are kept; `qatflow sweep` goes on after them.") as screen:
        run(root, screen, reason)
