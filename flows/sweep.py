"""Compares optimizers, strategies, architectures and seeds by many small trainings; one report.

`qatflow sweep`, or `python -m flows.sweep [REASON]`. Finished trials are kept, so a sweep that was killed goes on.
"""

import sys
from collections.abc import Sequence

from flows import ROOT
from qatflow.pipeline.sweep import run_program


def main(words: Sequence[str]) -> None:
    """Run the sweep on one calm screen."""
    run_program(ROOT, *words or ["by hand"])


if __name__ == "__main__":
    main(sys.argv[1:])
