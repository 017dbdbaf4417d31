"""Source `idx`: the MNIST family's files (LeCun, "The MNIST database", idx format), plain or gzip."""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import Chunk, RawData
from qatflow.data.files import require_folder
from qatflow.data.labels import numbered_classes, numeric_targets
from qatflow.data.limits import check_inflation, rows_per_chunk
from qatflow.errors import DataError
from qatflow.params.data import DataParams

PREFIXES = {"train": "train", "test": "t10k"}
UBYTE = 0x08
FULL_SCALE = 255.0


@dataclass(frozen=True)
class IdxFile:
    """An idx file of bytes whose header was checked; `shape` counts samples first."""

    path: Path
    shape: tuple[int, ...]


def read_idx(data: DataParams) -> RawData:
    """Open a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and their t10k twins, each plain or .gz.

    Samples are (height, width, 1) uint8. Regression predicts the label as a number; anomaly needs labels 0 and 1.

    Raises:
        DataError: If a file is missing, has another header, or is not as large as the header says.
    """
    folder = require_folder(data.path, "a folder with train-images-idx3-ubyte(.gz) and its companions")
    pairs = {split: _open_pair(folder, prefix) for split, prefix in PREFIXES.items()}
    return RawData(
        splits={split: partial(_chunks, *pair, data.task) for split, pair in pairs.items()},
        class_names=_class_names(folder, pairs) if data.task == "classification" else (),
        full_scale=FULL_SCALE,
        count=sum(y.shape[0] for _, y in pairs.values()),
        files=tuple(file.path for pair in pairs.values() for file in pair),
    )


def _open_pair(folder: Path, prefix: str) -> tuple[IdxFile, IdxFile]:
    x, y = _open(folder, f"{prefix}-images-idx3-ubyte", 3), _open(folder, f"{prefix}-labels-idx1-ubyte", 1)
    if x.shape[0] != y.shape[0]:
        raise DataError(f"{x.path} has {x.shape[0]} images, {y.path} has {y.shape[0]} labels")
    return x, y


def _open(folder: Path, name: str, rank: int) -> IdxFile:
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise DataError(f"{folder} has neither {name} nor {name}.gz")
    with _content(path) as file:
        file_shape = _read_shape(path, file, rank)
    held = path.stat().st_size
    claimed = math.prod(file_shape)
    check_inflation(str(path), held, claimed)
    if path.suffix != ".gz" and held != 4 + 4 * rank + claimed:
        raise DataError(f"{path}: the header {file_shape} claims {claimed} bytes, the file holds {held - 4 - 4 * rank}")
    return IdxFile(path, file_shape)


def _read_shape(path: Path, file: IO[bytes], rank: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * rank)
    if len(header) < 4 + 4 * rank or header[:4] != bytes((0, 0, UBYTE, rank)):
        raise DataError(f"{path} is no idx file of unsigned bytes with {rank} dimensions: it begins {header[:4].hex()}")
    return struct.unpack(f">{rank}I", header[4:])


def _read_rows(source: IdxFile, rows: int) -> Iterator[Array]:
    row_bytes = math.prod(source.shape[1:])
    with _content(source.path) as file:
        _read_shape(source.path, file, len(source.shape))
        for start in range(0, source.shape[0], rows):
            count = min(rows, source.shape[0] - start)
            content = file.read(count * row_bytes)
            if len(content) != count * row_bytes:
                raise DataError(f"{source.path} ends early: its header claims {source.shape}")
            yield np.frombuffer(content, np.uint8).reshape(count, *source.shape[1:])
        if file.read(1):
            raise DataError(f"{source.path} goes on after the {source.shape} its header claims")


def _chunks(x: IdxFile, y: IdxFile, task: str) -> Iterator[Chunk]:
    rows = rows_per_chunk(str(x.path), math.prod(x.shape[1:]))
    for images, labels in zip(_read_rows(x, rows), _read_rows(y, rows), strict=True):
        yield Chunk(images[..., np.newaxis], numeric_targets(str(y.path), labels, task))


def _class_names(folder: Path, pairs: dict[str, tuple[IdxFile, IdxFile]]) -> tuple[str, ...]:
    found: set[int] = set()
    for _, y in pairs.values():
        for labels in _read_rows(y, rows_per_chunk(str(y.path), 1)):
            found.update(np.unique(labels).tolist())
    return numbered_classes(str(folder), found)


@contextmanager
def _content(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast("IO[bytes]", file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); it is truncated or damaged") from None
