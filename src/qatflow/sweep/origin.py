"""Digests of the code and the data that trials depend on: results of others are of no use, workers with others refused.

Needs no TensorFlow.
"""

from collections.abc import Mapping
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import StageError
from qatflow.identity import code_digest

MEASURES = "qatflow.sweep.measure"
"""What a trial runs in a worker; a text, since importing it would import TensorFlow."""


def origin_of(root: Path) -> dict[str, str]:
    """Return the digests of the code and versions in this process, and of the data prepared below `root`.

    Raises:
        ArtifactError: If the data are not prepared, or were altered.
    """
    prepared = prepared_folder(root)
    artifacts.verify(prepared)
    return {"code": code_digest(MEASURES).digest, "data": artifacts.sha256_file(prepared / artifacts.MANIFEST)}


def prepared_folder(root: Path) -> Path:
    """Return where the stage `prepare` writes."""
    return root / "artifacts" / "prepare"


def check_origin(root: Path, wanted: Mapping[str, str]) -> None:
    """Check that a worker has the code and the data of the flow.

    Raises:
        ArtifactError: If its data are not prepared, or were altered.
        StageError: If it has others.
    """
    found = origin_of(root)
    mend = {"code": "the same commit and requirements.lock", "data": "`dvc repro prepare` or `dvc pull`"}
    for name, means in mend.items():
        if found[name] != wanted[name]:
            raise StageError(f"The worker in {root} has other {name} than the flow; it needs {means}")
