"""Looks at the served champion: drift, labels, health. What calls for a retraining becomes a Prefect event.

`python -m flows.monitor` looks once; flows/schedules.py serves it with a schedule, and `renew` with the event.
"""

import sys
from collections.abc import Sequence

from prefect import flow

from flows import ROOT
from qatflow.pipeline.monitor import look_at_champion
from qatflow.pipeline.program import run_once


@flow(name="monitor")
def monitor() -> str:
    """Judge the last window of the deployed champion; return in a sentence what was found and what was asked for.

    Raises:
        QATFlowError: If the records are damaged, or MLflow does not answer.
    """
    return look_at_champion(ROOT)


def main(words: Sequence[str]) -> None:
    """Look once."""
    run_once(ROOT, monitor, *words)


if __name__ == "__main__":
    main(sys.argv[1:])
