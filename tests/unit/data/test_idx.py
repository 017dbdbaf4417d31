"""Source `idx`."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from qatflow.data.base import RawData
from qatflow.data.idx import read_idx
from qatflow.errors import DataError
from qatflow.params.data import DataParams

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def _idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six 3x2 training images and four test images in two classes, plain files."""
    for prefix, count in (("train", 6), ("t10k", 4)):
        images = np.arange(count * 6, dtype=np.uint8).reshape(count, 3, 2)
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(np.arange(count, dtype=np.uint8) % 2))
    return tmp_path


def _read(folder: Path, **data: str) -> RawData:
    return read_idx(DataParams(source="idx", path=str(folder), **data))


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_plain_and_gzip(compressed: bool, folder: Path) -> None:
    if compressed:
        for path in list(folder.iterdir()):
            Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    raw = _read(folder)
    (train,), (test,) = raw.splits["train"](), raw.splits["test"]()

    assert (train.x.shape, train.x.dtype, train.x[1, 0, 1, 0]) == ((6, 3, 2, 1), np.uint8, 7)
    assert test.y.tolist() == [0, 1, 0, 1]
    assert (raw.class_names, raw.full_scale, raw.count, len(raw.files)) == (("0", "1"), 255.0, 10, 4)


def test_regression_predicts_the_number(folder: Path) -> None:
    (train,) = _read(folder, task="regression").splits["train"]()

    assert train.y.tolist() == [[0.0], [1.0]] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no idx file of unsigned bytes with 3 dimensions"),
        (b"\x00\x00\x0d\x03" + bytes(12), "it begins 00000d03"),
        (_idx(np.zeros((6, 6), np.uint8)), "with 3 dimensions"),
        (_idx(np.zeros((6, 3, 2), np.uint8))[:-1], r"header \(6, 3, 2\) claims 36 bytes, the file holds 35"),
        (_idx(np.zeros((6, 3, 2), np.uint8)) + b"x", "claims 36 bytes, the file holds 37"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12 + b"x", "bomb"),
        (_idx(np.zeros((5, 3, 2), np.uint8)), "has 5 images, .* has 6 labels"),
    ],
)
def test_refuses_headers_that_lie(content: bytes, message: str, folder: Path) -> None:
    (folder / IMAGES).write_bytes(content)
    with pytest.raises(DataError, match=message):
        _read(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(_idx(np.zeros((6, 3, 2), np.uint8)))[:-12], "cannot be read|ends early"),
        (gzip.compress(_idx(np.zeros((6, 3, 2), np.uint8))[:-1]), "ends early"),
        (gzip.compress(_idx(np.zeros((6, 3, 2), np.uint8)) + b"x"), "goes on after"),
        (gzip.compress(_idx(np.ones((6, 3, 2), np.uint8)))[:-8] + bytes(8), "CRC check failed"),
        (b"no gzip at all", "Not a gzipped file"),
    ],
    ids=["truncated", "one byte short", "one byte long", "bad checksum", "no gzip"],
)
def test_refuses_damaged_gzip(content: bytes, message: str, folder: Path) -> None:
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(content)

    with pytest.raises(DataError, match=message):
        list(_read(folder).splits["train"]())


def test_refuses_labels_out_of_range(folder: Path) -> None:
    (folder / LABELS).write_bytes(_idx(np.array([0, 1, 0, 1, 0, 200], np.uint8)))

    with pytest.raises(DataError, match=r"label out of range.*\[200\]"):
        _read(folder)


def test_missing_file_names_both_forms(folder: Path) -> None:
    (folder / LABELS).unlink()

    with pytest.raises(DataError, match=f"neither {LABELS} nor {LABELS}.gz"):
        _read(folder)
