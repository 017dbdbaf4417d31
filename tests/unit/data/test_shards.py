"""Shards on disk."""

from pathlib import Path

import numpy as np
import psutil

from qatflow.data.shards import MAX_OPEN, ShardReader, ShardWriter


def _write(directory: Path, x: np.ndarray, order: np.ndarray, chunk: int = 1000) -> None:
    writer = ShardWriter(directory, order, np.arange(len(x)), x[0])
    for start in range(0, len(x), chunk):
        writer.add(x[start : start + chunk])
    writer.finish()


def test_samples_lie_in_the_given_order_in_shards_of_8192(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20_000, 2, 3), np.uint8)
    order = np.random.default_rng(1).permutation(len(x))
    _write(tmp_path / "train", x, order)
    reader = ShardReader(tmp_path / "train")

    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == [
        f"{kind}-0000{number}.npy" for kind in "xy" for number in range(3)
    ]
    assert (reader.count, reader.x_shape) == (20_000, (2, 3))
    assert np.array_equal(reader.y, order)
    assert np.array_equal(reader.rows(np.arange(20_000)), x[order])


def test_rows_come_in_any_order(tmp_path: Path) -> None:
    x = np.arange(9000, dtype=np.int32).reshape(-1, 1)
    _write(tmp_path / "a", x, np.arange(9000))
    positions = np.array([8999, 0, 8192, 8191, 0])

    assert ShardReader(tmp_path / "a").rows(positions).ravel().tolist() == positions.tolist()


def test_chunk_size_does_not_change_the_bytes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    order = np.random.default_rng(1).permutation(300)
    _write(tmp_path / "a", x, order, chunk=300)
    _write(tmp_path / "b", x, order, chunk=7)

    assert (tmp_path / "a/x-00000.npy").read_bytes() == (tmp_path / "b/x-00000.npy").read_bytes()


def test_large_samples_make_shards_of_32_mib(tmp_path: Path) -> None:
    x = np.zeros((5, 12 << 20), np.uint8)
    _write(tmp_path / "a", x, np.arange(5), chunk=1)

    assert [len(np.load(path, mmap_mode="r")) for path in sorted((tmp_path / "a").glob("x-*"))] == [2, 2, 1]


def test_more_shards_than_file_descriptors_are_read(tmp_path: Path) -> None:
    for number in range(2 * MAX_OPEN):
        np.save(tmp_path / f"x-{number:05d}.npy", [[number]])
        np.save(tmp_path / f"y-{number:05d}.npy", [number])
    reader = ShardReader(tmp_path)
    before = psutil.Process().num_fds()

    assert np.array_equal(reader.rows(np.arange(2 * MAX_OPEN)).ravel(), reader.y)
    assert psutil.Process().num_fds() - before <= MAX_OPEN
