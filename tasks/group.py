"""Runs a stage that trains as `training.distribution` says: here, or as one of several workers, or as all of them."""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from pathlib import Path

from qatflow import artifacts
from qatflow.adapters.stage_worker import StageWorker
from qatflow.errors import LostError
from qatflow.identity import code_digest
from qatflow.progress import silent
from qatflow.training.distributed.cluster import TF_CONFIG, Cluster, local_clusters
from qatflow.training.distributed.group import joined
from qatflow.training.recovery import recoverable
from tasks.common import Stage
from tasks.unchanged import values_of

Run = Callable[[Stage], None]
CHECKPOINTS = Path(".qatflow") / "checkpoints"
INPUTS = ("prepare", "pretrain", "transfer")
NO_LIMIT_S = 1e6
"""Seconds; whoever started the stage sets its limit."""


def trains(run: Run) -> Run:
    """Let a stage's function train with others, where the parameters say so.

    Without `TF_CONFIG` a stage that is to train on many workers starts them, as processes of this machine, and starts
    all of them again, from the last checkpoint, when one is lost.
    """

    @wraps(run)
    def run_grouped(stage: Stage) -> None:
        params = stage.params.training
        module = Path(inspect.getfile(run))
        name = module.stem  # as a program, run's own module is __main__
        if params.distribution == "multi_worker" and not os.environ.get(TF_CONFIG):
            _launch(stage, f"tasks.{name}")
            return
        identity = _identity(stage, module)
        checkpoints = _checkpoints(stage, name, identity)
        with joined(params, identity) as group, recoverable(checkpoints):
            run(replace(stage, writes=group.is_chief))
        if group.is_chief:
            shutil.rmtree(checkpoints, ignore_errors=True)

    return run_grouped


def _identity(stage: Stage, module: Path) -> dict[str, str]:
    """Return digests of what must be equal on all workers, and before and after a restart: what this stage depends on.

    So a crash after which the server's port, or a docstring, is changed costs no training.
    """
    manifests = [stage.folder(name) / artifacts.MANIFEST for name in INPUTS]
    return {
        "code": code_digest(module, project=stage.root).digest,
        "parameters": artifacts.digest(values_of(stage.root, module.stem, stage.params)),
        "data": artifacts.digest([artifacts.sha256_file(manifest) for manifest in manifests if manifest.exists()]),
    }


def _checkpoints(stage: Stage, name: str, identity: Mapping[str, str]) -> Path:
    """Return where this very training keeps its checkpoints, and remove those of former ones of the same stage."""
    folder, prefix = stage.root / CHECKPOINTS, f"{name}-{stage.variant}-"
    wanted = folder / f"{prefix}{artifacts.digest(identity)[:16]}"
    for found in folder.glob(f"{prefix}*"):
        if found != wanted:
            shutil.rmtree(found, ignore_errors=True)
    return wanted


def _launch(stage: Stage, module: str) -> None:
    params = stage.params.training
    for attempt in range(params.restarts + 1):
        try:
            _run_together(stage, module, local_clusters(params.workers))
        except LostError as error:
            if attempt == params.restarts:
                raise
            stage.progress(f"a worker was lost ({error}); all start again", attempt, params.restarts + 1)
        else:
            return


def _run_together(stage: Stage, module: str, clusters: list[Cluster]) -> None:
    """Run the stage in a process for each worker; the first that fails ends all."""
    command = shlex.join(["python3", "-m", module, *(["--variant", stage.variant] if stage.variant else [])])
    workers = [StageWorker(stage.root, stage.root / "logs" / f"worker{c.index}.log") for c in clusters]
    with ExitStack() as stack:  # left from the last line up: all are ended, waited for, and only then cleared away
        for worker in workers:
            stack.callback(worker.kill)
        pool = stack.enter_context(ThreadPoolExecutor(len(clusters)))
        for worker in workers:
            stack.callback(worker.interrupt)
        futures = [
            pool.submit(
                worker.run,
                command,
                NO_LIMIT_S,
                stage.progress if cluster.is_chief else silent,
                {TF_CONFIG: cluster.to_json()},
            )
            for worker, cluster in zip(workers, clusters, strict=True)
        ]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)  # without an exception these are all
        for future in sorted(done, key=lambda future: not isinstance(future.exception(), LostError)):
            future.result()
