"""`qatflow init` and `qatflow upgrade`: a project of one's own, and the same after a newer qatflow was installed."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow import __version__, params_file
from qatflow.cli.project import find_root
from qatflow.pipeline.graph import Graph
from qatflow.pipeline.init import NEWER, make_project, upgrade_project

Folder = Annotated[Path, typer.Argument(help="A new or empty folder; `.` for this one.")]


def init(folder: Folder) -> None:
    """Make a project: parameters, stages, flows, a test, all of them yours to edit."""
    made = make_project(folder)
    typer.echo(f" {len(made)} files of a project in {folder}; its README says what they are.")
    typer.echo(f" Next: cd {folder} && make run")


def upgrade() -> None:
    """Bring this project's files up to date with the installed qatflow; what you edited is kept."""
    root = find_root()
    done = upgrade_project(root)
    typer.echo(f" Written by qatflow {done.before or 'before 0.2'}, now {__version__}.")
    for word, names in (("updated", done.written), ("removed", done.removed), ("kept, edited", done.kept)):
        for name in names:
            typer.echo(f" {word:13} {name}{f'   (new form: {NEWER / name})' if name in done.kept else ''}")
    for note in done.notes:
        typer.echo(f" {note}")
    params_file.load(root / "params.yaml")
    stale = Graph(root).stale()
    if not stale:
        typer.echo(" Nothing will run again.")
    for name, why in stale.items():
        typer.echo(f" will run      {name:30} {why}")
