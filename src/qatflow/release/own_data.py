"""A user's data, prepared for bundles outside of any project: their preprocessing, shapes and classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from qatflow import artifacts
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, Preprocessing, Split, open_prepared
from qatflow.errors import DataError
from qatflow.params.data import DataParams
from qatflow.progress import Progress, silent
from qatflow.release.manifest import BundleManifest
from qatflow.search.recognise import recognise

IMAGE_RANK = 3


@dataclass(frozen=True)
class OwnData:
    """Where data are, and how they are split.

    Attributes:
        data: Path of data in the bundles' own units, or `digits`; see `search.recognise`.
        source: Kind of data, where it is not told from `data`.
        label: Column to predict in a CSV table.
        max_samples: Use at most so many samples of each split.
        seed: Of the splits.
        progress: Told how far the work is.
    """

    data: str
    source: str | None = None
    label: str = "label"
    max_samples: int | None = None
    seed: int = 42
    progress: Progress = silent


def prepare_for(manifest: BundleManifest, own: OwnData, folder: Path) -> PreparedData:
    """Read, check and split the data into the new folder `folder`, and give them the bundle's preprocessing.

    Raises:
        DataError: If they cannot be used, or the bundle is for other shapes, classes or targets.
        ParamsError: If there is no such data source.
    """
    source, path = recognise(own.data, own.source)
    size = image_size(source, manifest.input.shape)
    wanted = {"source": source, "path": path, "label": own.label, "image_size": size, "task": manifest.task}
    params = DataParams.model_validate({**wanted, "max_samples": own.max_samples})
    with artifacts.stage_output(folder, "prepare") as out:
        prepare_data(params, "none", own.seed, out, own.progress, manifest.features)
    return open_for(manifest, folder, own.data)


def image_size(source: str, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return height and width to which images of a folder go for inputs of this shape; None for other data."""
    return (shape[0], shape[1]) if source == "image_folder" and len(shape) == IMAGE_RANK else None


def open_for(manifest: BundleManifest, folder: Path, name: str) -> PreparedData:
    """Open a sealed prepare folder with the bundle's preprocessing; `name` is what errors call the data.

    Raises:
        ArtifactError: If a file is missing or was altered.
        DataError: If the bundle is for other shapes, classes or targets.
    """
    raw = open_prepared(folder)
    _check_fits(raw, manifest, name)
    preprocessing = Preprocessing(manifest.preprocessing.scale, manifest.preprocessing.offset)
    train, val, test = (Split(folder / name, preprocessing) for name in ("train", "val", "test"))
    return replace(raw, preprocessing=preprocessing, train=train, val=val, test=test)


def _check_fits(data: PreparedData, manifest: BundleManifest, path: str) -> None:
    for what, found, wanted in (
        ("samples of shape", list(data.input_shape), list(manifest.input.shape)),
        ("the classes", list(data.class_names), list(manifest.labels)),
        ("targets", data.num_outputs, data.num_outputs if data.suits(manifest.output.size) else manifest.output.size),
    ):
        if found != wanted:
            raise DataError(f"{path} holds {what} {found}; the bundles are for {wanted}")
