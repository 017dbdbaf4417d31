"""What a data source is: chunks of raw samples that can be read more than once, their classes and their files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qatflow.artifacts import Array
from qatflow.params import DataParams


@dataclass(frozen=True)
class Chunk:
    """Consecutive samples of one split.

    Attributes:
        x: (n, *shape) of any real dtype.
        y: (n,) int64 class ids, (n, d) float32 regression targets, or (n,) int64 with 0 normal and 1 anomalous.
    """

    x: Array
    y: Array


@dataclass(frozen=True)
class RawData:
    """A data set before it is checked, split and written.

    Attributes:
        splits: How to read each split. The keys are `all`, or `train`, `test` and optionally `val` where the data
            come split already.
        class_names: Name of each class id; empty unless the task is classification.
        full_scale: The value that normalization `unit` maps to 1 (255 for images); None if the range is not known.
        count: Samples in all splits together.
        files: The files that are read.
        root: Where file names in the data card start; the card holds no path the user did not write.
        feature_names: Of a table with a header; else empty.
    """

    splits: Mapping[str, Callable[[], Iterator[Chunk]]]
    class_names: tuple[str, ...]
    full_scale: float | None
    count: int
    files: tuple[Path, ...]
    root: Path = Path()
    feature_names: tuple[str, ...] = ()


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
