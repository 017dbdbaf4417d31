"""Trains the champion anew on what was recorded since, tries the winner beside it, promotes or drops it.

`python -m flows.renew [REASON]`; flows/schedules.py serves it on the event of `monitor`.
"""

import sys
from collections.abc import Sequence

from prefect import flow

from flows import ROOT
from flows.canary import canary
from flows.retrain import retrain
from qatflow import params_file
from qatflow.pipeline.program import run_once
from qatflow.pipeline.renew import extended_data


@flow(name="renew")
def renew(reason: str = "by hand") -> str:
    """Add the champion's labelled records to the data, run the graph, and try what it makes; return how it ended.

    Raises:
        QATFlowError: If there is nothing to learn from, a stage fails, or the registry does not answer.
    """
    with extended_data(ROOT) as data:
        told = f"{reason}; data {data[:12]}"
        retrain(told)
    if not params_file.load(ROOT / "params.yaml").release.canary:
        return "done; no canary asked for (release.canary)"
    return str(canary(told))


def main(words: Sequence[str]) -> None:
    """Run it once."""
    run_once(ROOT, renew, *words)


if __name__ == "__main__":
    main(sys.argv[1:])
