"""Feeds a split to Keras as a tf.data.Dataset: repeatable, re-shuffled each epoch, memory flat."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

from qatflow.artifacts import Array
from qatflow.data.prepared import Split

if TYPE_CHECKING:
    from qatflow.backend import tf


def to_tf_dataset(
    split: Split, batch_size: int, seed: int | None, task: str, targets: Array | None = None
) -> "tf.data.Dataset":
    """Return batches of (x, y), or (x, x) for anomaly detection; the k-th iteration is epoch k of `Split.batches`.

    Args:
        split: Where samples come from.
        batch_size: Samples in a batch; the last one may be smaller.
        seed: Order of the samples; None keeps the stored order.
        task: Decides the targets.
        targets: (count, ...) in stored order, instead of those.
    """
    from qatflow.backend import tf

    epochs, own = count(), targets is None

    def batches() -> Iterator[tuple[Array, Array]]:
        for x, y in split.batches(batch_size, seed, next(epochs), targets=targets):
            yield (x, x) if own and task == "anomaly" else (x, y)

    x = tf.TensorSpec((None, *split.x_shape), tf.float32)
    labels = split.labels() if targets is None else targets
    y = x if own and task == "anomaly" else tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=(x, y))
    steps = -(-split.count // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(1)
