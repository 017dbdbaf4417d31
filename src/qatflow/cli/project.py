"""Finds the project that a command works on."""

from pathlib import Path

from qatflow.errors import QATFlowError


def find_root() -> Path:
    """Return the nearest folder, from here upwards, that holds dvc.yaml and params.yaml.

    Raises:
        QATFlowError: If there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "params.yaml").is_file():
            return folder
    raise QATFlowError(f"No QATFlow project at {here} or above it: expected a folder with dvc.yaml and params.yaml")
