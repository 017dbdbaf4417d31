"""Every data source, on a tiny real sample of its kind."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qatflow.artifacts import stage_output, verify
from qatflow.data import SOURCES
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.errors import DataError
from qatflow.params.data import DataParams

CLASSES = 3
COUNT = 30


def _images(channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, channels), np.uint8)


def _digits(_: Path) -> dict[str, Any]:
    return {"max_samples": 20}


def _arrays(folder: Path) -> dict[str, Any]:
    np.savez(folder / "data.npz", x=_images(1), y=np.arange(COUNT) % CLASSES)
    return {"path": str(folder / "data.npz")}


def _image_folder(folder: Path) -> dict[str, Any]:
    for number, image in enumerate(_images(3)):
        path = folder / ("ant", "bee", "cat")[number % CLASSES] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return {"path": str(folder)}


def _csv(folder: Path) -> dict[str, Any]:
    rows = [f"{number},{number**2},{'xyz'[number % CLASSES]}" for number in range(COUNT)]
    (folder / "data.csv").write_text("\n".join(["a,b,kind", *rows]))
    return {"path": str(folder / "data.csv"), "label": "kind"}


def _idx(folder: Path) -> dict[str, Any]:
    for prefix, part in (("train", slice(0, 21)), ("t10k", slice(21, COUNT))):
        for name, array in (
            ("images-idx3", _images(1)[part, ..., 0]),
            ("labels-idx1", np.arange(COUNT)[part] % CLASSES),
        ):
            header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    return {"path": str(folder)}


SAMPLES: dict[str, tuple[Callable[[Path], dict[str, Any]], tuple[int, ...], str, tuple[str, ...]]] = {
    "arrays": (_arrays, (8, 8, 1), "uint8", ("0", "1", "2")),
    "csv": (_csv, (2,), "float32", ("x", "y", "z")),
    "digits": (_digits, (8, 8, 1), "uint8", tuple("0123456789")),
    "idx": (_idx, (8, 8, 1), "uint8", ("0", "1", "2")),
    "image_folder": (_image_folder, (8, 8, 3), "uint8", ("ant", "bee", "cat")),
}


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _params(source: str, tmp_path: Path) -> DataParams:
    (tmp_path / "data").mkdir()
    return DataParams(source=source, **SAMPLES[source][0](tmp_path / "data"))


def test_every_source_has_a_sample() -> None:
    assert SAMPLES.keys() == SOURCES.keys()


def test_chunks_repeat_and_agree_with_what_is_announced(source: str, tmp_path: Path) -> None:
    _, shape, _, class_names = SAMPLES[source]
    raw = SOURCES[source](_params(source, tmp_path))
    total = 0
    for read in raw.splits.values():
        for first, second in zip(read(), read(), strict=True):
            assert first.x.shape == (len(first.y), *shape)
            assert first.y.dtype == np.int64
            np.testing.assert_array_equal(first.x, second.x)
            np.testing.assert_array_equal(first.y, second.y)
            total += len(first.y)

    assert total == raw.count
    assert raw.class_names == class_names
    assert set(raw.splits) in ({"all"}, {"train", "test"}, {"train", "val", "test"})
    assert all(path.is_file() for path in raw.files)


def test_prepares_opens_and_repeats_bit_for_bit(source: str, tmp_path: Path) -> None:
    _, shape, dtype, class_names = SAMPLES[source]
    params = _params(source, tmp_path)
    for name in "ab":
        with stage_output(tmp_path / name, "prepare") as out:
            prepare_data(params, "auto", 7, out)
    data = open_prepared(tmp_path / "a")

    assert verify(tmp_path / "a") == verify(tmp_path / "b")
    assert data.class_names == class_names
    assert (data.input_shape, data.num_outputs, data.card.x_dtype) == (shape, len(class_names), dtype)
    for split in (data.train, data.val, data.test):
        x, y = split.arrays()
        assert (x.shape, x.dtype, y.dtype) == ((split.count, *shape), np.float32, np.int64)
        assert set(y.tolist()) == set(range(len(class_names)))


def test_batches_cover_every_sample_once(source: str, tmp_path: Path) -> None:
    with stage_output(tmp_path / "out", "prepare") as out:
        prepare_data(_params(source, tmp_path), "none", 7, out)
    train = open_prepared(tmp_path / "out").train
    rows = np.concatenate([x for x, _ in train.batches(4, seed=1)]).reshape(train.count, -1)
    stored = train.arrays()[0].reshape(train.count, -1)

    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, stored.tolist()))


@pytest.mark.parametrize("path", ["no/such/thing", "x" * 4000])
def test_a_path_that_does_not_exist_is_a_data_error(source: str, path: str) -> None:
    if source != "digits":
        with pytest.raises(DataError, match=r"data\.path .*expected"):
            SOURCES[source](DataParams(source=source, path=path))
