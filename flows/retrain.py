"""The main job: bring every stage of dvc.yaml up to date, promote what passed its gates, deploy it.

`python -m flows.retrain [REASON]`, or `qatflow run`; `flows.schedules` serves it with a schedule.
"""

import sys
from typing import Any

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.transactions import Transaction, transaction

from flows.prefect_server import own_server
from flows.program import program
from flows.session import LOG, ROOT, Session
from qatflow.adapters import promotions
from qatflow.cli.result import say_result
from qatflow.cli.screen import Screen
from qatflow.errors import ChangedError, StageError
from tasks.common import MOST_BEGINNINGS

SIDE_EFFECTS = ("release", "deploy")
_early: list[Session] = []  # the session that `main` opened before Prefect started


@flow(name="retrain")
def retrain(reason: str = "by hand") -> dict[str, str]:
    """Run the graph once; return each stage's outcome: "fresh", "restored", "tracked" or "ran".

    Release and deploy are one transaction: a deployment that fails takes its promotion back.

    Raises:
        QATFlowError: Why a stage failed. Finished stages are kept; the next run continues after them.
    """
    with _early.pop() if _early else Session(reason=reason) as session:
        for name in session.graph.stages():
            if name == SIDE_EFFECTS[0]:
                _publish(session)
            elif name not in SIDE_EFFECTS:
                _as_task(session, name)()
        return {name: times.outcome for name, times in session.times.items()}


def _publish(session: Session) -> None:
    release, deploy = (_as_task(session, name) for name in SIDE_EFFECTS)

    @release.on_rollback
    def take_back(_: Transaction) -> None:
        promotions.take_back(session.params, ROOT, since=before)

    before = promotions.last_seq(session.params, ROOT)
    with transaction():
        release()
        deploy()


def _as_task(session: Session, name: str) -> Task[[], str]:
    """Make a stage a Prefect task. DVC, not Prefect's cache, decides what is fresh."""
    settings = session.params.flow

    @task(
        name=name,
        task_run_name=lambda: name,  # as text it would be a format string, and a .dvc file may be named anything
        cache_policy=NO_CACHE,
        retries=settings.retries,
        retry_delay_seconds=settings.retry_delay_s,
        retry_condition_fn=_is_crash,
    )
    def run_stage() -> str:
        return session.run_stage(name)

    return run_stage


def _is_crash(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only crashes and timeouts are worth another try; a user's mistake stays one."""
    return isinstance(state.result(raise_on_failure=False), StageError)


def main() -> None:
    """Run the flow on one calm screen; end with exit code 1 and a plain sentence if a stage fails.

    Where something that a stage reads was edited meanwhile, all begins again: MLflow's run, too, holds the parameters.
    """
    reason = sys.argv[1] if len(sys.argv) > 1 else "by hand"
    with program(LOG, "Finished stages are kept; `qatflow run` goes on after them.") as screen:
        for begun in range(1, MOST_BEGINNINGS + 1):
            try:
                _run(screen, reason)
                break
            except ChangedError as error:
                if begun == MOST_BEGINNINGS:
                    raise
                screen.ready()
                screen.say(f" {error} The run begins again with what stands there now.", "yellow")
        say_result(screen, ROOT)


def _run(screen: Screen, reason: str) -> None:
    screen.wait("looking for what changed, and starting Prefect")
    with own_server() as use:
        _early.append(Session(screen, reason))
        use()
        retrain(reason)


if __name__ == "__main__":
    main()
