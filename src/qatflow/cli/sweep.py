"""`qatflow sweep`: change parameters, check what is asked, start the flow."""

import os
import sys

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.cli.run import Assignments, Reason
from qatflow.errors import QATFlowError
from qatflow.sweep.names import check_names


def sweep(assignments: Assignments = None, reason: Reason = "by hand") -> None:
    """Compare optimizers, strategies, architectures and seeds by many small trainings, on a Dask cluster.

    Section `sweep` of params.yaml says what; changed parameters are written there. Finished trials are kept.
    """
    root = find_root()
    changes = params_file.parse_assignments(assignments or [])
    for name, (old, new) in params_file.edit(root / "params.yaml", changes).items():
        typer.echo(f" params.yaml: {name} was {old}, is {new}")
    check_names(params_file.load(root / "params.yaml").sweep)
    if not (root / "flows" / "sweep.py").is_file():
        raise QATFlowError(f"{root} has no flows/sweep.py; `qatflow sweep` needs a checkout of the project")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "flows.sweep", reason])  # noqa: S606 (our own interpreter)
