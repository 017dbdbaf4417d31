"""`qatflow run` and `qatflow status`: change parameters, say what is stale, start the flow."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.errors import hidden
from qatflow.holding import held, project_lock
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.graph import NEVER, Graph, check_path, shadow
from qatflow.pipeline.project import check_flow, flow_program
from qatflow.stopping import at_once

Assignments = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter.")]
ParamsFile = Annotated[Path | None, typer.Option("--params", help="Take the parameters that this file names.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change and run.")]
Reason = Annotated[str, typer.Option(help="Why this run is made; kept in MLflow and in the promotion log.")]


def run(
    assignments: Assignments = None, params: ParamsFile = None, dry_run: DryRun = False, reason: Reason = "by hand"
) -> None:
    """Bring everything up to date: data, models, evaluation, release, deployment, report.

    Changed parameters are written to params.yaml, as `dvc exp run -S` does, so that the run can be repeated.
    """
    root = find_root()
    changes = params_file.flatten(params_file.read_tree(params)) if params else {}
    changes |= params_file.parse_assignments(assignments or [])
    if dry_run:
        _dry_run(root, changes)
        return
    change_params(root, changes, lambda: check_project(root, "retrain"))
    start_flow(root, "retrain", reason)


def change_params(root: Path, changes: dict[str, Any], check: Callable[[], None]) -> None:
    """Write changes to params.yaml, and say which, if the result is right and `check` passes.

    Raises:
        QATFlowError: What is not right, or who is at work on the project; the file is then as it was.
    """
    params_file.edited(root / "params.yaml", changes)
    check()
    with held(project_lock(root), "a change of params.yaml"):
        made = params_file.edit(root / "params.yaml", changes) if changes else {}
    for name, (old, new) in made.items():
        typer.echo(hidden(f" params.yaml: {name} was {old}, is {new}"))


def check_project(root: Path, flow: str) -> None:
    """Check, before anything changes, that the project has a flow, and a path that DVC can keep.

    Raises:
        StageError: If not.
    """
    check_path(root)
    check_flow(root, flow)


def start_flow(root: Path, flow: str, *words: str) -> None:
    """Run a flow of the project, in this process; told to end while it is imported, the process ends at once."""
    at_once()
    flow_program(root, flow)(words)


def status() -> None:
    """Say which stages are up to date, and why the others are not."""
    root = find_root()
    params_file.load(root / "params.yaml")
    _bring_up_to_date(root)
    _print_plan(Graph(root))


def graph() -> None:
    """Write dvc.yaml from tasks/stages.py, and which code each stage runs into code.json; stages of your own stay."""
    if not _bring_up_to_date(find_root()):
        typer.echo(" dvc.yaml and code.json are as tasks/stages.py and the code say.")


def _bring_up_to_date(root: Path) -> bool:
    changed = bring_up_to_date(root)
    for line in changed:
        typer.echo(f" {line}")
    return bool(changed)


def _dry_run(root: Path, changes: dict[str, Any]) -> None:
    """Plan on a shadow of the project, so that nothing here is touched."""
    _bring_up_to_date(root)
    with shadow(root) as copy:
        for key, (old, new) in params_file.edit(copy / "params.yaml", changes).items():
            typer.echo(hidden(f" params.yaml: {key} is {old}, would be {new}"))
        _print_plan(Graph(copy))


def _print_plan(graph: Graph) -> None:
    stale, names = graph.stale(), graph.stages()
    if names and all(stale.get(name) == NEVER for name in names):
        typer.echo(f" None of the {len(names)} stages ran yet; `qatflow run` runs {', '.join(names)}.")
        return
    for name in names:
        typer.echo(f" {'•' if name in stale else '·'} {name:34} {stale.get(name, 'up to date')}")
    typer.echo(f" {len(stale)} to run" if stale else " Nothing to do.")
