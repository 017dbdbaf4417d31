"""Learns a snapshot of online learning again: the stage of its own dvc.yaml."""

import sys
from pathlib import Path

from qatflow import artifacts, backend, params_file
from qatflow.deploy.local import current
from qatflow.errors import QATFlowError
from qatflow.online.snapshot import MODEL, RECIPE, rebuild
from qatflow.online.source import begin, open_source
from qatflow.params.online import OnlineParams


def run(root: Path, folder: Path) -> Path:
    """Write model.tflite into the snapshot and return its path.

    Raises:
        ArtifactError: If the snapshot or the project's artifacts are not whole.
        ModelError: If other bytes come out.
    """
    params = params_file.load(root / "params.yaml")
    online = OnlineParams.model_validate(artifacts.read_json(folder / RECIPE)["online"])
    params = params.model_copy(update={"online": online})
    source = open_source(root, params, current(root / params.deploy.path))
    backend.start(params.seed)
    model = rebuild(begin(source, params), folder)
    artifacts.write_bytes(folder / MODEL, model)
    return folder / MODEL


def main(folder: str) -> None:
    """Rebuild a snapshot of the project in the current folder; a user's mistake ends without a traceback."""
    try:
        run(Path.cwd(), Path(folder))
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
