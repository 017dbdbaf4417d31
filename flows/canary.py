"""Tries the winner that waits beside the champion, on the running server; promotes or drops it.

`python -m flows.canary [REASON]`; `flows.renew` ends with it. Killed, it begins again: the winner waits on.
"""

import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.once import run_once
from flows.session import ROOT
from qatflow import params_file
from qatflow.adapters import canary as adapter

TIMEOUT_S = 600.0


@flow(name="canary")
def canary(reason: str = "by hand") -> str:
    """Try the winner that waits; return in a sentence how it ended.

    Raises:
        QATFlowError: If the registry does not answer, or the winner does not run here.
    """
    return settle(reason)


@task(name="settle", cache_policy=NO_CACHE)
def settle(reason: str) -> str:
    """Run the canary and log how it ended."""
    from qatflow.adapters.mlflow_monitor import log_canary

    params = params_file.load(ROOT / "params.yaml")
    tried = adapter.try_pending(params, ROOT, reason, TIMEOUT_S)
    if tried is None:
        return "no winner waits; the champion stays"
    log_canary(params, ROOT, tried)
    return f"{tried.outcome} version {tried.version}: {tried.why}"


if __name__ == "__main__":
    run_once(canary, *sys.argv[1:2])
