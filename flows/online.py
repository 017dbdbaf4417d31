"""Learns from a stream until it is stopped, or read up: `qatflow online`, or `python -m flows.online --stream ADDRESS`.

Each record is predicted, then learned; what is better than the champion is released.
"""

import sys
from collections.abc import Sequence

from flows import ROOT
from qatflow.pipeline.online import run_program


def main(words: Sequence[str]) -> None:
    """Learn on one calm screen; SIGTERM and Ctrl-C end it after a checkpoint."""
    run_program(ROOT, words)


if __name__ == "__main__":
    main(sys.argv[1:])
