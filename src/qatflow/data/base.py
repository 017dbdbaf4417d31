"""What a data source is: chunks of raw samples that can be read more than once, their classes and their files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import DataError
from qatflow.params.data import DataParams


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples of one split.

    Attributes:
        x: (n, *shape) of any real dtype.
        y: (n,) int64 class ids, (n, d) float32 regression targets or labels of 0 and 1, or (n,) int64 with 0
            normal and 1 anomalous.
    """

    x: Array
    y: Array


@dataclass(frozen=True)
class RawData:
    """A data set before it is checked, split and written.

    Attributes:
        splits: How to read each split. The keys are `all`, or `train`, `test` and optionally `val` where the data
            come split already.
        class_names: Name of each class id, or of each label of a sample; empty for the other tasks.
        full_scale: The value that normalization `unit` maps to 1 (255 for images); None if the range is not known.
        count: Samples in all splits together.
        files: The files that are read.
        root: Where file names in the data card start; the card holds no path the user did not write.
        feature_names: Of a table with a header, or of vectors that came with them; else empty.
        ignored: Names of arrays of the file that are not used.
        pictures: What was done to image files, for the data card; to be asked once all were read.
    """

    splits: Mapping[str, Callable[[], Iterator[Chunk]]]
    class_names: tuple[str, ...]
    full_scale: float | None
    count: int
    files: tuple[Path, ...]
    root: Path = Path()
    feature_names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    pictures: Callable[[], Mapping[str, Any]] | None = None


def in_order(raw: RawData, names: Sequence[str]) -> RawData:
    """Return the data with their columns in the order of `names`; as they are if they, or `names`, have no names.

    Raises:
        DataError: If they have other columns.
    """
    if not names or not raw.feature_names or tuple(names) == raw.feature_names:
        return raw
    order = column_order(names, raw.feature_names, str(raw.files[0] if raw.files else "the data"))
    splits = {split: partial(_in_order, read, order) for split, read in raw.splits.items()}
    return replace(raw, splits=splits, feature_names=tuple(names))


def column_order(names: Sequence[str], columns: Sequence[str], what: str) -> list[int]:
    """Return where each of `names` stands among `columns`, which are those of `what`.

    Raises:
        DataError: If these are other columns.
    """
    if faults := [f"'{name}'" for name in sorted({*names} ^ {*columns})]:
        raise DataError(
            f"{what}: other columns than the model was made for; only one of the two has {', '.join(faults[:10])}"
        )
    return [list(columns).index(name) for name in names]


def _in_order(read: Callable[[], Iterator[Chunk]], order: list[int]) -> Iterator[Chunk]:
    for chunk in read():
        yield Chunk(np.take(chunk.x, order, axis=1), chunk.y)


class DataSource(Protocol):
    """Opens a data set.

    Opening reads names, headers and labels, never all samples. Each split then yields the same chunks in the same
    order every time it is read, at most `limits.rows_per_chunk` samples at once, so that memory stays flat.
    Whatever is wrong inside a file is found here and names the file and the place in it. What concerns all samples
    (finite values, one shape, label range, duplicates) is checked for every source by `prepare_data`.
    """

    def __call__(self, data: DataParams) -> RawData:
        """Open `data.path` for `data.task`.

        Raises:
            DataError: If there is no such data, it is malformed, or it does not suit the task.
        """
