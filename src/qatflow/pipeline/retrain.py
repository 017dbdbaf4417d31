"""The steps of the main job: each stage a Prefect task, release and deployment one transaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.transactions import Transaction, transaction

from qatflow.adapters import promotions
from qatflow.errors import ChangedError, StageError
from qatflow.pipeline.program import program
from qatflow.pipeline.result import say_result
from qatflow.pipeline.server import own_server
from qatflow.pipeline.session import LOG, Session
from qatflow.pipeline.stage import MOST_BEGINNINGS
from qatflow.screen import Screen

Steps = Callable[[Session], None]


def run_stage(session: Session, name: str) -> str:
    """Bring a stage up to date as a task of the flow under way; return "fresh", "restored", "tracked" or "ran".

    Raises:
        QATFlowError: Why the stage failed.
    """
    return str(_as_task(session, name)())


def publish(session: Session, release: str = "release", deploy: str = "deploy") -> None:
    """Release and deploy as one transaction: a deployment that fails takes its promotion back.

    Raises:
        QATFlowError: Why one of the two failed.
    """
    releasing, deploying = _as_task(session, release), _as_task(session, deploy)

    @releasing.on_rollback
    def take_back(_: Transaction) -> None:
        promotions.take_back(session.params, session.root, since=before)

    before = promotions.last_seq(session.params, session.root)
    with transaction():
        releasing()
        deploying()


def run_program(root: Path, steps: Steps, reason: str) -> None:
    """Run steps as a flow on one calm screen; end with exit code 1 and a plain sentence if a stage fails.

    Where something that a stage reads was edited meanwhile, all begins again: MLflow's run, too, holds the parameters.
    """
    with program(root, root / LOG, "Finished stages are kept; `qatflow run` goes on after them.") as screen:
        for begun in range(1, MOST_BEGINNINGS + 1):
            try:
                _run(root, steps, reason, screen)
                break
            except ChangedError as error:
                if begun == MOST_BEGINNINGS:
                    raise
                screen.ready()
                screen.say(f" {error} The run begins again with what stands there now.", "yellow")
        say_result(screen, root)


def _run(root: Path, steps: Steps, reason: str, screen: Screen) -> None:
    screen.wait("looking for what changed, and starting Prefect")
    with own_server(root) as use, Session(root, reason, screen) as session:
        use()

        @flow(name="retrain")
        def retrain(reason: str) -> dict[str, str]:  # noqa: ARG001 (shown by Prefect)
            steps(session)
            return session.outcomes()

        retrain(reason)


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
    def run() -> str:
        return session.run_stage(name)

    return run


def _is_crash(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Only crashes and timeouts are worth another try; a user's mistake stays one."""
    return isinstance(state.result(raise_on_failure=False), StageError)
