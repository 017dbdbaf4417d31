"""Tries the winner that waits beside the champion, on the running server; promotes or drops it.

`python -m flows.canary [REASON]`; flows/renew.py ends with it. Killed, it begins again: the winner waits on.
"""

import sys
from collections.abc import Sequence

from prefect import flow

from flows import ROOT
from qatflow.pipeline.canary import settle
from qatflow.pipeline.program import run_once


@flow(name="canary")
def canary(reason: str = "by hand") -> str:
    """Try the winner that waits; return in a sentence how it ended.

    Raises:
        QATFlowError: If the registry does not answer, or the winner does not run here.
    """
    return settle(ROOT, reason)


def main(words: Sequence[str]) -> None:
    """Run it once."""
    run_once(ROOT, canary, *words)


if __name__ == "__main__":
    main(sys.argv[1:])
