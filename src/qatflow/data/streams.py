"""Feeds a split to Keras as a tf.data.Dataset: repeatable, re-shuffled each epoch, memory flat."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from qatflow.artifacts import Array
from qatflow.data.augment import view_of
from qatflow.data.prepared import Split

if TYPE_CHECKING:
    from qatflow.backend import tf


class Samples(NamedTuple):
    """What is trained on or validated on.

    Attributes:
        split: The samples.
        batch_size: Samples in a batch; the last one may be smaller.
        targets: (n, …) in stored order; None where the inputs are the targets.
        seed: Order of the samples, and what is drawn for `augment`; None keeps the stored order.
        augment: Names of `augment.AUGMENTATIONS`; they need a seed.
        answer: Changes targets by what is seen: x (b, …) and targets (b, …) -> targets of the same shape and dtype.
    """

    split: Split
    batch_size: int
    targets: Array | None = None
    seed: int | None = None
    augment: tuple[str, ...] = ()
    answer: Callable[[Array, Array], Array] | None = None

    def signature(self) -> "tuple[tf.TensorSpec, tf.TensorSpec]":
        """Return the specs of a batch, (x, targets)."""
        from qatflow.backend import tf

        x = tf.TensorSpec((None, *self.split.x_shape), tf.float32)
        y = x if self.targets is None else tf.TensorSpec((None, *self.targets.shape[1:]), self.targets.dtype)
        return x, y

    def steps(self, shares: int = 1) -> int:
        """Return the batches of one epoch; see `Split.row_batches`."""
        return sum(1 for _ in self.split.row_batches(self.batch_size, shares=shares))

    def taker(self, epoch: int) -> Callable[[Array], tuple[Array, Array]]:
        """Return what gives x and targets of stored positions, as they are seen in an epoch."""
        view = view_of(self.augment, self.split.count, self.split.x_shape, self.seed or 0, epoch)

        def take(positions: Array) -> tuple[Array, Array]:
            x, y = self.split.take(positions, self.targets)
            x = view(x, positions)
            y = x if self.targets is None else y
            return x, y if self.answer is None else self.answer(x, y)

        return take


def to_tf_dataset(samples: Samples, first_epoch: int = 0) -> "tf.data.Dataset":
    """Return batches of (x, targets); the k-th iteration is epoch `first_epoch + k` of `Split.row_batches`."""
    from qatflow.backend import tf

    epochs = count(first_epoch)

    def batches() -> Iterator[tuple[Array, Array]]:
        epoch = next(epochs)
        yield from map(samples.taker(epoch), samples.split.row_batches(samples.batch_size, samples.seed, epoch))

    dataset = tf.data.Dataset.from_generator(batches, output_signature=samples.signature())
    return untuned(dataset.apply(tf.data.experimental.assert_cardinality(samples.steps())).prefetch(1))


def untuned(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Return a dataset without tf.data's autotuning: nothing here can be tuned, and the end of each epoch waits for it.

    Its thread sleeps 10 ms, then twice as long each time, up to a minute; an iterator ends when the thread wakes, so
    that an epoch took up to twice its time (tensorflow 2.21).
    """
    from qatflow.backend import tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
