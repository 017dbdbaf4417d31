"""The step of the canary: try the winner that waits beside the champion, on the running server."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from qatflow import params_file
from qatflow.adapters.canary import try_pending

TIMEOUT_S = 600.0


@task(name="settle", cache_policy=NO_CACHE)
def settle(root: Path, reason: str) -> str:
    """Try the winner that waits, promote or drop it, and log how it ended; return that in a sentence.

    Raises:
        QATFlowError: If the registry does not answer, or the winner does not run here.
    """
    from qatflow.adapters.mlflow_monitor import log_canary

    params = params_file.load(root / "params.yaml")
    tried = try_pending(params, root, reason, TIMEOUT_S)
    if tried is None:
        return "no winner waits; the champion stays"
    log_canary(params, root, tried)
    return f"{tried.outcome} version {tried.version}: {tried.why}"
