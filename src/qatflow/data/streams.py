"""Feeds a split to Keras as a tf.data.Dataset: repeatable, re-shuffled each epoch, memory flat."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from qatflow.artifacts import Array
from qatflow.data.prepared import Split

if TYPE_CHECKING:
    from qatflow.backend import tf


class Samples(NamedTuple):
    """What is trained on or validated on.

    Attributes:
        split: The samples.
        batch_size: Samples in a batch; the last one may be smaller.
        targets: (n, …) in stored order; None where the inputs are the targets.
        seed: Order of the samples; None keeps the stored order.
    """

    split: Split
    batch_size: int
    targets: Array | None = None
    seed: int | None = None

    def signature(self) -> "tuple[tf.TensorSpec, tf.TensorSpec]":
        """Return the specs of a batch, (x, targets)."""
        from qatflow.backend import tf

        x = tf.TensorSpec((None, *self.split.x_shape), tf.float32)
        y = x if self.targets is None else tf.TensorSpec((None, *self.targets.shape[1:]), self.targets.dtype)
        return x, y

    def steps(self, shares: int = 1) -> int:
        """Return the batches of one epoch; see `Split.row_batches`."""
        return sum(1 for _ in self.split.row_batches(self.batch_size, shares=shares))

    def take(self, positions: Array) -> tuple[Array, Array]:
        """Return x and targets of stored positions."""
        x, y = self.split.take(positions, self.targets)
        return x, x if self.targets is None else y


def to_tf_dataset(samples: Samples, first_epoch: int = 0) -> "tf.data.Dataset":
    """Return batches of (x, targets); the k-th iteration is epoch `first_epoch + k` of `Split.row_batches`."""
    from qatflow.backend import tf

    epochs = count(first_epoch)

    def batches() -> Iterator[tuple[Array, Array]]:
        for rows in samples.split.row_batches(samples.batch_size, samples.seed, next(epochs)):
            yield samples.take(rows)

    dataset = tf.data.Dataset.from_generator(batches, output_signature=samples.signature())
    return dataset.apply(tf.data.experimental.assert_cardinality(samples.steps())).prefetch(1)
