"""Trials as Prefect tasks on a Dask cluster: processes of this machine, or of many. Only they import TensorFlow."""

from __future__ import annotations

import logging
import queue
from collections.abc import Mapping
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any, cast

import dask
import distributed
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.context import FlowRunContext
from prefect.tasks import Task
from prefect_dask.task_runners import DaskTaskRunner

from qatflow.errors import QATFlowError, StageError
from qatflow.params.root import Params
from qatflow.params.sweep import SweepParams
from qatflow.sweep.origin import check_origin
from qatflow.sweep.play import Ended, Epoch, Project, lost
from qatflow.sweep.result import TrialResult
from qatflow.sweep.trials import Trial

LOST_WORKERS = 20
"""So often a trial goes on another worker after one was lost; a setting of the scheduler that is started here."""
JOIN_TIMEOUT_S = 60
EPOCHS = "qatflow-epochs"


def task_runner(sweep: SweepParams) -> DaskTaskRunner:
    """Return what runs the flow's tasks: processes of this machine, or the workers of the scheduler that is named."""
    if sweep.scheduler:
        return DaskTaskRunner(address=sweep.scheduler)
    dask.config.set({"distributed.scheduler.allowed-failures": LOST_WORKERS})
    local = {"n_workers": sweep.workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    # Without a limit: at one, Dask would let a worker wait for memory that TensorFlow never gives back.
    return DaskTaskRunner(cluster_kwargs={**local, "memory_limit": 0, "silence_logs": logging.ERROR})


class DaskTrials:
    """The workers of the present flow run, as `play.Workers`.

    A worker works in its current folder, which must hold this project with the same code and prepared data. When one
    is lost, Dask gives its trial to another; what raises is tried again by Prefect.

    Raises:
        StageError: If the scheduler does not answer, or no worker comes within `JOIN_TIMEOUT_S`.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._client = _client(project.params.sweep)
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._under_way: dict[str, tuple[Trial, Any]] = {}
        self._client.subscribe_topic(EPOCHS, lambda event: self._events.put(("epoch", event[1])))
        params = project.params
        self._task = measure.with_options(retries=params.flow.retries, retry_delay_seconds=params.flow.retry_delay_s)
        self._settings = params.model_dump(mode="json")

    def slots(self) -> int:
        """Return how many trials may be under way: one a worker's thread; workers may come and go."""
        local = self._project.params.sweep.workers
        return max(1, sum(self._client.nthreads().values())) if self._project.params.sweep.scheduler else local

    def submit(self, trial: Trial) -> None:
        """Begin a trial."""
        key = self._project.key(trial)
        origin, searched = dict(self._project.origin), self._project.params.sweep.search == "optuna"
        future: Any = self._task.submit(trial.name, key, trial.record(), self._settings, origin, searched)
        self._under_way[key] = trial, future
        future.wrapped_future.add_done_callback(lambda _: self._events.put(("ended", key)))

    def stop(self, trial: Trial) -> None:
        """Ask a running trial to end, which it does after its next epoch."""
        _stop(self._project.key(trial), self._client).set()

    def next(self) -> Epoch | Ended:
        """Wait for what happens next.

        Raises:
            QATFlowError: If a worker has other code or data.
        """
        while True:
            kind, content = self._events.get()
            if kind == "ended":
                trial, future = self._under_way.pop(content)
                return Ended(trial, _result(trial, content, future))
            if content["key"] in self._under_way:
                return Epoch(self._under_way[content["key"]][0], content["epoch"], content["figure"])


def _is_crash(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return not isinstance(state.result(raise_on_failure=False), QATFlowError)


@task(name="trial", task_run_name="{name}", cache_policy=NO_CACHE, retry_condition_fn=_is_crash)
def measure(
    name: str,  # noqa: ARG001 (names the run)
    key: str,
    trial: Mapping[str, Any],
    settings: Mapping[str, Any],
    origin: Mapping[str, str],
    searched: bool,
) -> TrialResult:
    """Run one trial in the worker's folder; see `qatflow.sweep.measure.measure_trial`.

    Raises:
        QATFlowError: If this worker's code or data are others than the flow's.
    """
    from qatflow.sweep.measure import measure_trial

    root = Path.cwd()
    check_origin(root, origin)
    goes_on = partial(_goes_on, key) if searched else None
    return measure_trial(Trial(**trial), Params.model_validate(settings), root, origin, goes_on)


def _goes_on(key: str, epoch: int, figure: float) -> bool:
    """Tell the flow's process a figure, and ask whether it has ended this trial; its answer may come an epoch later."""
    distributed.get_worker().log_event(EPOCHS, {"key": key, "epoch": epoch, "figure": figure})
    return not _stop(key, distributed.get_client()).is_set()


def _stop(key: str, client: Any) -> Any:
    return distributed.Event(f"qatflow-stop-{key}", client)  # type: ignore[no-untyped-call]


def _client(sweep: SweepParams) -> Any:
    context = FlowRunContext.get()
    runner = cast("DaskTaskRunner", context and context.task_runner)
    where = f"the Dask scheduler at {sweep.scheduler} (sweep.scheduler)"
    try:
        client = runner.client
    except (OSError, ValueError) as error:
        raise StageError(f"Cannot reach {where}: {error}") from None
    try:
        client.wait_for_workers(1, timeout=JOIN_TIMEOUT_S)
    except TimeoutError:
        raise StageError(f"No worker has come to {where} within {JOIN_TIMEOUT_S} s") from None
    return client


def _result(trial: Trial, key: str, future: Any) -> TrialResult:
    """Return what a trial gave; one whose every try crashed is lost."""
    try:
        return cast("TrialResult", future.result())
    except QATFlowError:
        raise
    except (Exception, CancelledError) as error:  # noqa: BLE001 (whatever it was, the other trials go on)
        return lost(trial, key, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
