"""Serves the flows: `retrain` by cron and event, `monitor` every few minutes, `renew` when that one saw drift.

`python -m flows.schedules [--port N]`. Section `flow` of params.yaml says when.
"""

import sys
from collections.abc import Sequence

from flows import ROOT
from flows.monitor import monitor
from flows.renew import renew
from flows.retrain import retrain
from qatflow.pipeline.schedules import Flows, run_program


def main(words: Sequence[str]) -> None:
    """Serve on the Prefect server that is set, or on one started here."""
    run_program(ROOT, Flows(retrain, monitor, renew), words)


if __name__ == "__main__":
    main(sys.argv[1:])
