"""Finds in the project around a bundle what the bundle was made from: its data and its float model."""

from collections.abc import Iterator
from pathlib import Path

from qatflow import artifacts
from qatflow.data.card import DataCard
from qatflow.data.prepared import PreparedData
from qatflow.errors import DataError
from qatflow.release.bundle import Bundle
from qatflow.release.own_data import open_for

FLOAT_STAGE = "transfer"


def data_of(bundle: Bundle, *near: Path) -> PreparedData | None:
    """Return the very data that a bundle was measured on, with its preprocessing; None if they lie nowhere around.

    Args:
        bundle: From anywhere.
        near: Where to look, and in all folders above: where the bundle lies, where the user is.

    Raises:
        ArtifactError: If they were altered.
    """
    for prepared in _outputs("prepare", near):
        if DataCard.read(prepared).sha256 == bundle.manifest.lineage.data_sha256:
            try:
                return open_for(bundle.manifest, prepared, str(prepared))
            except DataError:
                return None
    return None


def float_model_of(bundle: Bundle, *near: Path) -> bytes | None:
    """Return the float flatbuffer that a bundle was made from; None if it lies nowhere around; see `data_of`.

    Raises:
        ArtifactError: If it was altered.
    """
    wanted = bundle.manifest.lineage.stages.get(FLOAT_STAGE)
    for folder in _outputs(FLOAT_STAGE, near):
        if artifacts.sha256_file(folder / artifacts.MANIFEST) == wanted:
            artifacts.verify(folder)
            return (folder / "model.tflite").read_bytes()
    return None


def _outputs(stage: str, near: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the sealed outputs of a stage in all projects around."""
    for start in near:
        place = start.resolve()
        for folder in (place, *place.parents):
            if (folder / "artifacts" / stage / artifacts.MANIFEST).is_file():
                yield folder / "artifacts" / stage
