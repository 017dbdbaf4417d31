"""Splits on disk: numbered .npy shards, written in random order and read row by row through memory maps."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array

MAX_ROWS = 8192
MAX_BYTES = 32 << 20
MAX_OPEN = 256
"""Each open memory map holds a file descriptor; most systems grant 1024."""


class ShardWriter:
    """Writes one split's samples in a given random order with memory for one shard.

    An external shuffle: arriving rows are appended to the shard they belong to, each shard is put in order at the end.
    """

    def __init__(self, directory: Path, order: Array, y: Array, sample: Array) -> None:
        """Prepare a split.

        Args:
            directory: Where the shards go; made here.
            order: (n,) int64, which sample goes to each final position; samples are numbered as they arrive.
            y: (n, ...) targets as they arrive.
            sample: Any array of one sample's shape and dtype.
        """
        directory.mkdir(parents=True)
        self._directory = directory
        self._rows = max(1, min(MAX_ROWS, MAX_BYTES // sample.nbytes))
        self._order = order
        self._shard = np.empty(len(order), np.int32)
        self._shard[order] = np.arange(len(order)) // self._rows
        self._y = y
        self._sample = sample
        self._arrived = 0

    def add(self, x: Array) -> None:
        """Take the next (n, *shape) samples."""
        shard = self._shard[self._arrived : self._arrived + len(x)]
        for number in np.unique(shard):
            with self._raw(number).open("ab") as file:
                file.write(x[shard == number].tobytes())
        self._arrived += len(x)

    def finish(self) -> None:
        """Put every shard in order and write it as x-NNNNN.npy and y-NNNNN.npy."""
        for number, start in enumerate(range(0, len(self._order), self._rows)):
            members = self._order[start : start + self._rows]
            arrived = np.fromfile(self._raw(number), self._sample.dtype).reshape(-1, *self._sample.shape)
            x = arrived[np.argsort(np.argsort(members))]
            np.save(self._directory / f"x-{number:05d}.npy", x, allow_pickle=False)
            np.save(self._directory / f"y-{number:05d}.npy", self._y[members], allow_pickle=False)
            self._raw(number).unlink()

    def _raw(self, number: int) -> Path:
        return self._directory / f"{number:05d}.raw"


class ShardReader:
    """Reads any rows of a split by position; labels are held in memory, samples are mapped.

    Attributes:
        count: Number of samples.
        x_shape: Shape of one sample.
        y: (count, ...) targets.
    """

    def __init__(self, directory: Path) -> None:
        self._paths = sorted(directory.glob("x-*.npy"))
        self._shard = lru_cache(maxsize=MAX_OPEN)(self._open)
        self._rows = len(self._shard(0))
        self.x_shape: tuple[int, ...] = self._shard(0).shape[1:]
        self.y: Array = np.concatenate([np.load(path) for path in sorted(directory.glob("y-*.npy"))])
        self.count = len(self.y)

    def rows(self, positions: Array) -> Array:
        """Return the samples at `positions` (n,), as (n, *x_shape) of the stored dtype."""
        shard, row = np.divmod(positions, self._rows)
        first = self._shard(0)
        x = np.empty((len(positions), *first.shape[1:]), first.dtype)
        for number in np.unique(shard).tolist():
            mine = shard == number
            x[mine] = self._shard(number)[row[mine]]
        return x

    def _open(self, number: int) -> Array:
        return np.asarray(np.load(self._paths[number], mmap_mode="r", allow_pickle=False))
