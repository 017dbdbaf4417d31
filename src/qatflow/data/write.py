"""Second pass: writes the shards of every split and measures the training split."""

from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.data.base import RawData
from qatflow.data.chunks import read_chunks
from qatflow.data.index import Index, sample_digests
from qatflow.data.moments import Moments, merge, moments_of
from qatflow.data.shards import ShardWriter
from qatflow.data.splits import SPLITS, TRAIN
from qatflow.errors import DataError
from qatflow.progress import Progress


def write_splits(
    raw: RawData, index: Index, splits: Array, rng: np.random.Generator, out: Path, progress: Progress
) -> Moments:
    """Write out/train, out/val and out/test.

    Args:
        raw: Read a second time.
        index: What the first pass found.
        splits: (n,) int8, the split of each sample.
        rng: Decides the order inside each split.
        out: Folder of the split folders.
        progress: Told after each chunk.

    Returns:
        The moments of the training split, raw values.

    Raises:
        DataError: If the second pass reads other samples than the first.
    """
    writers = _open_writers(index, splits, rng, out)
    train = Moments.empty(index.x_shape[-1])
    for _, place, chunk in read_chunks(raw, index.task):
        if not np.array_equal(sample_digests(chunk.x), index.digests[place]):
            raise DataError(
                f"Samples changed while they were read, from {place.start} on; run again when nothing writes"
            )
        for split, writer in enumerate(writers):
            writer.add(chunk.x[splits[place] == split])
        train = merge(train, moments_of(chunk.x[splits[place] == TRAIN]))
        progress("writing data", place.stop, len(splits))
    for writer in writers:
        writer.finish()
    return train


def _open_writers(index: Index, splits: Array, rng: np.random.Generator, out: Path) -> list[ShardWriter]:
    sample = np.empty(index.x_shape, index.x_dtype)
    writers = []
    for split, name in enumerate(SPLITS):
        y = index.y[splits == split]
        writers.append(ShardWriter(out / name, rng.permutation(len(y)), y, sample))
    return writers
