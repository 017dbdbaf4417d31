"""Tries the winner that waits beside the champion, on the running server; promotes or drops it.

`python -m flows.canary [REASON]`; `flows.renew` ends with it. Killed, it begins again: the winner waits on.
"""

import os
import sys

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.prefect_server import check_server
from flows.session import ROOT
from qatflow import params_file
from qatflow.adapters import canary as adapter
from qatflow.errors import QATFlowError

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


def main() -> None:
    """Run once; a user's mistake ends without a traceback."""
    os.chdir(ROOT)
    try:
        check_server()
        sys.stdout.write(f"{canary(*sys.argv[1:2])}\n")
    except QATFlowError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
