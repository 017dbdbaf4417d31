"""Compares optimizers, strategies, architectures and seeds by many small trainings; one report.

`python -m flows.sweep [REASON]`, or `qatflow sweep`. Finished trials are kept, so a sweep that was killed goes on.
"""

import sys
from dataclasses import dataclass
from typing import Any, cast

from prefect import flow
from prefect.settings import PREFECT_API_URL

from flows.dask_trials import DaskTrials, task_runner
from flows.prefect_server import own_server
from flows.program import program
from flows.session import ROOT
from qatflow import params_file
from qatflow.adapters.dvc_stages import Graph
from qatflow.adapters.mlflow_sweep import SweepTracker
from qatflow.adapters.stage_worker import StageWorker
from qatflow.cli.screen import Screen, StageLine
from qatflow.cli.sweep_screen import SweepScreen, say_summary
from qatflow.errors import StageError
from qatflow.holding import held, project_lock
from qatflow.params.root import Params
from qatflow.report.sweep import write_report
from qatflow.sweep.keep import only_one
from qatflow.sweep.origin import origin_of
from qatflow.sweep.play import Project, Result, Source, play
from qatflow.sweep.trials import Grid, Trial

LOG = ROOT / "logs" / "sweep.log"
REPORT = ROOT / "artifacts" / "sweep"


@dataclass
class Board:
    """One sweep: what is asked, what is told. MLflow and Optuna are opened before Prefect's engine starts."""

    project: Project
    source: Source
    tracker: SweepTracker
    screen: SweepScreen

    def heard(self, result: Result, repeated: bool) -> None:
        """Log and show a result."""
        name = Trial(**result["trial"]).name
        self.tracker.log(name, result, repeated=repeated)
        self.screen.show(name, result, repeated=repeated)


_boards: list[Board] = []  # the one that `run` opened for the flow


@flow(name="sweep")
def sweep() -> list[Result]:
    """Run the trials on the flow's Dask cluster, those that are missing; return what all gave."""
    board = _boards.pop()
    return play(board.source, DaskTrials(board.project), board.project, board.heard)


def run(screen: Screen, reason: str) -> None:
    """Prepare the data if need be, run all trials, write the report.

    Raises:
        QATFlowError: If parameters or data are not right, a service does not answer, or trials were lost.
    """
    params = params_file.load(ROOT / "params.yaml")
    _check_reachable(params)
    with only_one(ROOT):
        with held(project_lock(ROOT), "`qatflow sweep`, which prepares the data"):
            _prepare(screen, params)
        project = Project(ROOT, params, origin_of(ROOT))
        screen.wait("opening MLflow, and starting Prefect and Dask")
        tracker, source = SweepTracker(ROOT, params, reason), _source(project)
        done = False
        try:
            with own_server() as use, SweepScreen(screen, source.total) as shown:
                use()
                _boards.append(Board(project, source, tracker, shown))
                runner = cast("Any", task_runner(params.sweep))  # Prefect's types forbid its own runners' futures
                results = sweep.with_options(task_runner=runner)()
            summary = write_report(results, params, REPORT)
            done = True
        finally:
            tracker.finish(REPORT if done else None)
    say_summary(screen, summary, REPORT / "index.html", params.tracking.uri)
    if summary["counts"]["lost"]:
        first = next(trial for trial in summary["trials"] if trial["status"] == "lost")
        raise StageError(
            f"{summary['counts']['lost']} trials were lost, such as {first['name']}: {first['reason']}. "
            f"Run again: finished ones are kept. Details: {LOG}"
        )


def _source(project: Project) -> Source:
    if project.params.sweep.search == "grid":
        return Grid(project.params)
    from qatflow.sweep.study import Search

    return Search(project.params, project.root, project.origin)


def _prepare(screen: Screen, params: Params) -> None:
    """Bring stage `prepare`, and the data that DVC tracks, up to date."""
    graph = Graph(ROOT)
    names = graph.stages()
    data = [name for name in names[: names.index("prepare")] if name.endswith(".dvc")]
    with StageWorker(ROOT, LOG, preload=False) as worker:
        for name in (*data, "prepare"):
            with screen.stage(name) as line:

                def execute(command: str, line: StageLine = line) -> None:
                    worker.run(command, params.flow.stage_timeout_s, line.progress)

                line.outcome = graph.ensure(name, execute)


def _check_reachable(params: Params) -> None:
    if params.sweep.scheduler and not PREFECT_API_URL.value():
        raise StageError(
            "Workers on other machines need a Prefect server that they can reach: start `prefect server start --host "
            "0.0.0.0`, and set PREFECT_API_URL here to its address"
        )


def main() -> None:
    """Run the sweep on one calm screen; end with exit code 1 and a plain sentence if it fails."""
    reason = sys.argv[1] if len(sys.argv) > 1 else "by hand"
    with program(LOG, "Finished trials are kept; `qatflow sweep` goes on after them.") as screen:
        run(screen, reason)


if __name__ == "__main__":
    main()
