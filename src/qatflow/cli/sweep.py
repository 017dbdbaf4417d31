"""`qatflow sweep`: change parameters, check what is asked, start the flow."""

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.cli.run import Assignments, Reason, change_params, check_project, start_flow


def sweep(assignments: Assignments = None, reason: Reason = "by hand") -> None:
    """Compare optimizers, strategies, architectures and seeds by many small trainings, on a Dask cluster.

    Section `sweep` of params.yaml says what; changed parameters are written there. Finished trials are kept.
    """
    root = find_root()
    changes = params_file.parse_assignments(assignments or [])
    change_params(root, changes, lambda: check_project(root, "sweep"))
    start_flow(root, "sweep", reason)
