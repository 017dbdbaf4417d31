"""Source `image_folder`: one folder of image files for each class, at the top or inside train/, test/ and val/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qatflow.data.base import Chunk, RawData
from qatflow.data.files import require_folder
from qatflow.data.limits import rows_per_chunk
from qatflow.errors import DataError
from qatflow.params.data import DataParams

if TYPE_CHECKING:
    from qatflow.data.images import Census, ImageForm

NORMAL = ("good", "normal")
FULL_SCALE = 255.0

Listing = Sequence[tuple[Path, str]]


def read_image_folder(data: DataParams) -> RawData:
    """Open a folder of class folders, or one with train/ and test/ (and val/) that hold the class folders.

    Samples are (height, width, 1 or 3) uint8. For anomaly detection the folder `good` or `normal` holds the normal
    samples, every other one anomalies. Hidden files are left out.

    Raises:
        DataError: If a folder is empty or a file in it is no image.
    """
    from qatflow.data.images import Census, form_of  # Pillow is an extra

    if data.task not in {"classification", "anomaly"}:
        raise DataError(
            f"image_folder knows classes only; for {data.task} use source 'arrays', an .npz with x and y of a row of "
            "numbers each"
        )
    root = require_folder(data.path, "a folder with one folder of images for each class")
    listings = {split: _list_images(folder) for split, folder in _split_folders(root).items()}
    names = tuple(sorted({name for listing in listings.values() for _, name in listing}))
    files = tuple(path for listing in listings.values() for path, _ in listing)
    form, census = form_of(files[0], data.image_size, turn=data.exif == "turn"), Census()
    ids = _class_ids(root, names, data.task)
    return RawData(
        splits={split: partial(_chunks, listing, ids, form, census) for split, listing in listings.items()},
        class_names=names if data.task == "classification" else (),
        full_scale=FULL_SCALE,
        count=len(files),
        files=files,
        pictures=census.entries,
    )


def _split_folders(root: Path) -> dict[str, Path]:
    given = {split: root / split for split in ("train", "val", "test") if (root / split).is_dir()}
    return given if {"train", "test"} <= given.keys() else {"all": root}


def _list_images(folder: Path) -> Listing:
    classes = [entry for entry in _visible(folder) if entry.is_dir()]
    if not classes:
        raise DataError(f"{folder} holds no folder; expected one folder of images for each class")
    listing = [(path, entry.name) for entry in classes for path in _visible(entry)]
    for entry in classes:
        if not any(name == entry.name for _, name in listing):
            raise DataError(f"{entry} is empty; expected the images of class '{entry.name}'")
    return listing


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _class_ids(root: Path, names: Sequence[str], task: str) -> dict[str, int]:
    if task == "classification":
        return {name: number for number, name in enumerate(names)}
    if not set(NORMAL) & set(names):
        raise DataError(f"{root}: anomaly detection needs a class folder named {' or '.join(NORMAL)}")
    return {name: int(name not in NORMAL) for name in names}


def _chunks(listing: Listing, ids: Mapping[str, int], form: ImageForm, census: Census) -> Iterator[Chunk]:
    from qatflow.data.images import read_image

    rows = rows_per_chunk(str(listing[0][0]), form.height * form.width * form.channels)
    for start in range(0, len(listing), rows):
        block = listing[start : start + rows]
        x = np.empty((len(block), *form.shape), np.uint8)
        for row, (path, _) in enumerate(block):
            x[row] = read_image(path, form, census)
        yield Chunk(x, np.array([ids[name] for _, name in block], np.int64))
