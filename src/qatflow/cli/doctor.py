"""`qatflow doctor`: checks the installation and says what to mend."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from qatflow import params_file
from qatflow.cli.project import find_root
from qatflow.errors import QATFlowError
from qatflow.extras import extra_of

MIN_FREE_BYTES = 1 << 30
PINNED = {  # package -> (first version that works, first that does not); why stands in pyproject.toml
    "tensorflow": ("2.21", "2.22"),
    "tf-keras": ("2.21", "2.22"),
    "tensorflow-model-optimization": ("0.8.1", "0.9"),
    "ai-edge-litert": ("2.1", "3"),
    "prefect": ("3.8", "3.9"),
    "fastapi": ("0.100", "0.151"),
    "sqlalchemy": ("2.0", "2.1"),
    "mlflow": ("3.11", "4"),
    "dvc": ("3.67", "4"),
    "uvicorn": ("0.45", "0.55"),
}


def doctor() -> None:
    """Check the installation; exit with 1 if something must be mended."""
    faults = 0
    for name, check in CHECKS.items():
        fault = check()
        faults += fault is not None
        typer.echo(f" {'✗' if fault else '✓'} {name}{f': {fault}' if fault else ''}")
    if faults:
        raise typer.Exit(1)


def _python() -> str | None:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return None if good else f"Python {sys.version.split()[0]}; use 3.11, 3.12 or 3.13"


def _packages() -> str | None:
    faults = [fault for name, bounds in PINNED.items() if (fault := _package_fault(name, *bounds))]
    return f"{'; '.join(faults)}. Mend with: make setup" if faults else None


def _package_fault(name: str, low: str, high: str) -> str | None:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None if extra_of(name) else f"{name} is missing"
    return None if _numbers(low) <= _numbers(version) < _numbers(high) else f"{name} {version}, needs >={low},<{high}"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _project() -> str | None:
    try:
        params_file.load(find_root() / "params.yaml")
    except QATFlowError as error:
        return str(error)
    return None


def _disk() -> str | None:
    free = shutil.disk_usage(Path.cwd()).free
    return None if free >= MIN_FREE_BYTES else f"{free >> 20} MiB free here; keep at least {MIN_FREE_BYTES >> 20} MiB"


def _keras() -> str | None:
    wanted = os.environ.get("TF_USE_LEGACY_KERAS", "1")
    return None if wanted == "1" else f"TF_USE_LEGACY_KERAS={wanted} is set; unset it, tfmot needs legacy Keras"


def _serving() -> str | None:
    from qatflow.serving.connection import check_hook

    try:
        check_hook()
    except QATFlowError as error:
        return str(error)
    return None


CHECKS: dict[str, Callable[[], str | None]] = {
    "Python": _python,
    "packages": _packages,
    "legacy Keras": _keras,
    "shedding of overload": _serving,
    "project and params.yaml": _project,
    "free disk space": _disk,
}
