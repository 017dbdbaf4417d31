"""Opens what the prepare stage wrote: splits that yield preprocessed batches, and what the card says of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array, verify
from qatflow.data.card import DataCard
from qatflow.data.preprocessing import Preprocessing
from qatflow.data.shards import ShardReader

__all__ = ["PreparedData", "Preprocessing", "Split", "open_prepared"]


class Split:
    """One split on disk. Memory holds its labels and one batch.

    Attributes:
        name: `train`, `val` or `test`.
        count: Number of samples.
        x_shape: Shape of one sample.
    """

    def __init__(self, directory: Path, preprocessing: Preprocessing) -> None:
        self._shards = ShardReader(directory)
        self._preprocessing = preprocessing
        self.name = directory.name
        self.count = self._shards.count
        self.x_shape = self._shards.x_shape

    def batches(
        self,
        batch_size: int,
        seed: int | None = None,
        epoch: int = 0,
        *,
        drop_remainder: bool = False,
        targets: Array | None = None,
    ) -> Iterator[tuple[Array, Array]]:
        """Yield every sample once, as (x, y): (b, *x_shape) float32 model inputs and their (b, ...) targets.

        Args:
            batch_size: Samples in a batch; the last one may be smaller.
            seed: Order of the samples, a new one each epoch; None keeps the stored order.
            epoch: Number of the epoch, from 0.
            drop_remainder: Leave out a smaller last batch.
            targets: (count, ...) in stored order, to yield instead of the split's own.
        """
        for rows in self.row_batches(batch_size, seed, epoch):
            if len(rows) == batch_size or not drop_remainder:
                yield self.take(rows, targets)

    def row_batches(self, batch_size: int, seed: int | None = None, epoch: int = 0, shares: int = 1) -> Iterator[Array]:
        """Yield the stored positions of each batch, (b,) int64, every one once.

        Args:
            batch_size: Samples in a batch; the last one may be smaller.
            seed: Order of the samples, a new one each epoch; None keeps the stored order.
            epoch: Number of the epoch, from 0.
            shares: Parts that each batch is divided into. A last one of fewer samples than that joins the one before.
        """
        positions = np.arange(self.count)
        if seed is not None:
            positions = np.random.default_rng((seed, epoch)).permutation(self.count)
        bounds = [*range(0, self.count, batch_size), self.count]
        if len(bounds) > 2 and bounds[-1] - bounds[-2] < shares:
            del bounds[-2]
        for start, stop in pairwise(bounds):
            yield positions[start:stop]

    def arrays(self, limit: int | None = None) -> tuple[Array, Array]:
        """Return the first `limit` samples (all if None) in stored order, as `batches` yields them."""
        return self.take(np.arange(self.count if limit is None else min(limit, self.count)))

    def labels(self) -> Array:
        """Return all targets in stored order: (count,) int64 or (count, d) float32."""
        return self._shards.y

    def take(self, positions: Array, targets: Array | None = None) -> tuple[Array, Array]:
        """Return samples by their stored positions, as `batches` yields them."""
        y = self._shards.y if targets is None else targets
        return self._preprocessing.apply(self._shards.rows(positions)), y[positions]

    def stored(self, positions: Array) -> Array:
        """Return samples by their stored positions, (n, *x_shape) of the stored dtype."""
        return self._shards.rows(positions)

    def raw(self, positions: Array) -> Array:
        """Return samples by their stored positions as they were before preprocessing, (n, *x_shape) float32."""
        return self._shards.rows(positions).astype(np.float32)


@dataclass(frozen=True)
class PreparedData:
    """A prepared data set. The stored order of each split is random, so its first samples are a fair sample.

    Attributes:
        card: The data card.
        task: `classification`, `multi_label`, `regression` or `anomaly`.
        class_names: Name of each class id, or of each label that a sample may have; empty for the other tasks.
        input_shape: Shape of one model input.
        num_outputs: Classes, labels, target dimensions, or values of one input for anomaly detection.
        preprocessing: From raw samples to model inputs.
    """

    card: DataCard
    train: Split
    val: Split
    test: Split
    task: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    num_outputs: int
    preprocessing: Preprocessing

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, where samples are vectors and the data named them; else empty."""
        names = self.card.feature_names
        return names if (len(names),) == self.input_shape else ()

    def suits(self, outputs: int) -> bool:
        """Tell whether a model of so many outputs suits the data; of two classes it may tell the second one's alone."""
        return outputs == self.num_outputs or (self.task == "classification" and (outputs, self.num_outputs) == (1, 2))


def open_prepared(directory: Path) -> PreparedData:
    """Open a sealed prepare folder.

    Raises:
        ArtifactError: If a file is missing or was altered.
    """
    verify(directory)
    card = DataCard.read(directory)
    preprocessing = card.preprocessing
    outputs = {
        "classification": len(card.class_names),
        "multi_label": len(card.class_names),
        "regression": math.prod(card.y_shape),
        "anomaly": math.prod(card.x_shape),
    }
    return PreparedData(
        card=card,
        train=Split(directory / "train", preprocessing),
        val=Split(directory / "val", preprocessing),
        test=Split(directory / "test", preprocessing),
        task=card.task,
        class_names=card.class_names,
        input_shape=card.x_shape,
        num_outputs=outputs[card.task],
        preprocessing=preprocessing,
    )
