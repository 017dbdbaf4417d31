"""A project's own Python: its stages and its flows, which are its owner's to edit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from qatflow import extras
from qatflow.errors import StageError
from qatflow.pipeline.stage import Stage

OWN = {"flows", "tasks"}
"""Packages that every project has."""


def declared_stages(root: Path) -> dict[str, Stage]:
    """Return the stages that a project lists in `STAGES` of tasks/stages.py, by name, in its order.

    Raises:
        StageError: If there is no such list, two stages have one name, or a stage is not where DVC starts it.
    """
    _see(root)
    try:
        with extras.named("tasks/stages.py"):
            listed: Sequence[Stage] = import_module("tasks.stages").STAGES
    except (ModuleNotFoundError, AttributeError) as error:
        raise StageError(
            f"{root / 'tasks' / 'stages.py'} must list the project's stages in STAGES ({error}); "
            "`qatflow upgrade` writes the files of a project that are missing"
        ) from None
    stages = {stage.name: stage for stage in listed}
    if len(stages) < len(listed):
        raise StageError("Two stages in STAGES of tasks/stages.py have the same name; each needs one of its own")
    for stage in listed:
        if stage.function.__module__ not in {f"tasks.{stage.name}", "__main__"}:
            raise StageError(
                f"Stage '{stage.name}' is a function of {stage.function.__module__}; DVC starts `python3 -m "
                f"tasks.{stage.name}`, so move it into tasks/{stage.name}.py"
            )
    return stages


def flow_program(root: Path, name: str) -> Callable[[Sequence[str]], None]:
    """Return `main` of flows/NAME.py, which takes the words of a command line.

    Raises:
        StageError: If the project has no such flow.
    """
    _see(root)
    check_flow(root, name)
    program: Callable[[Sequence[str]], None] = import_module(f"flows.{name}").main
    return program


def check_flow(root: Path, name: str) -> None:
    """Check, before anything changes, that a project has a flow.

    Raises:
        StageError: If not.
    """
    path = root / "flows" / f"{name}.py"
    if not path.is_file():
        raise StageError(f"{path} is missing; `qatflow upgrade` writes the files of a project that are missing")


def _see(root: Path) -> None:
    """Let Python find the project's packages before others of the same names, and forget those of another project."""
    if sys.path[0] != str(root):
        sys.path.insert(0, str(root))
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OWN and not str(getattr(module, "__file__", "")).startswith(f"{root}/"):
            del sys.modules[name]
