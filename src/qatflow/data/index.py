"""First pass: what is kept in memory of every sample, about 24 bytes, so that splits can be drawn."""

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import RawData
from qatflow.data.chunks import read_chunks
from qatflow.errors import DataError
from qatflow.progress import Progress

DIGEST = np.dtype("V16")


@dataclass(frozen=True)
class Index:
    """All samples in the source's order.

    Attributes:
        task: What the targets are for.
        counts: Samples of each split the source gives, in its order.
        y: (n,) int64 or (n, d) float32 targets.
        digests: (n,) 16-byte BLAKE2b of each sample's bytes.
        x_shape: Shape of one sample.
        x_dtype: As it will be stored.
    """

    task: str
    counts: dict[str, int]
    y: Array
    digests: Array
    x_shape: tuple[int, ...]
    x_dtype: np.dtype[Any]

    def describe(self, position: int) -> str:
        """Say which sample of which given split stands at `position` of all samples."""
        ends = np.cumsum(list(self.counts.values()))
        number = int(np.searchsorted(ends, position, side="right"))
        split = list(self.counts)[number]
        place = position - int(ends[number]) + self.counts[split]
        return f"sample {place}" if split == "all" else f"{split} sample {place}"


def build_index(raw: RawData, task: str, progress: Progress) -> Index:
    """Read and check every sample once.

    Raises:
        DataError: If there is no sample, or one breaks a rule of `read_chunks`.
    """
    if not raw.count:
        raise DataError(f"The data set is empty: no sample in {', '.join(str(path) for path in raw.files[:3])}")
    counts = dict.fromkeys(raw.splits, 0)
    digests = np.empty(raw.count, DIGEST)
    labels = []
    for split, place, chunk in read_chunks(raw, task):
        counts[split] += len(chunk.x)
        digests[place] = sample_digests(chunk.x)
        labels.append(chunk.y)
        progress("checking data", place.stop, raw.count)
    return Index(task, counts, np.concatenate(labels), digests, chunk.x.shape[1:], chunk.x.dtype)


def sample_digests(x: Array) -> Array:
    """Return the 16-byte BLAKE2b digest of each sample's bytes.

    Args:
        x: (n, *shape), C-contiguous.

    Returns:
        (n,) of dtype V16.
    """
    content = memoryview(x.tobytes())
    size = math.prod(x.shape[1:]) * x.itemsize
    digests = (blake2b(content[start : start + size], digest_size=16).digest() for start in range(0, x.nbytes, size))
    return np.frombuffer(b"".join(digests), DIGEST)
