"""Feeds a split to all replicas of a tf.distribute strategy: each batch divided among them, without overlap or loss."""

from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import tf
from qatflow.data.prepared import Split


class Samples(NamedTuple):
    """What is trained on or validated on.

    Attributes:
        split: The samples.
        batch_size: Of all replicas together.
        targets: (n, …) in stored order; None where the inputs are the targets.
        seed: Order of the samples; None keeps the stored order.
    """

    split: Split
    batch_size: int
    targets: Array | None = None
    seed: int | None = None


def distributed(samples: Samples, strategy: Any, first_epoch: int = 0) -> Any:
    """Return a distributed dataset of (x, targets, weights) that begins with an epoch and never ends.

    Replica i of n gets samples i, i + n, … of each batch. Weights undo that a replica's loss is the mean over its own
    share, and that shares of one batch may differ by a sample: the sum of all gradients is that of the whole batch's
    mean loss.

    Args:
        samples: Batches of at least as many samples as there are replicas.
        strategy: A tf.distribute strategy.
        first_epoch: Number of the epoch to begin with, from 0.
    """

    def of_worker(context: Any) -> Any:
        replicas = context.num_replicas_in_sync
        own = replicas // context.num_input_pipelines
        shares = range(context.input_pipeline_id * own, (context.input_pipeline_id + 1) * own)
        batches = lambda: _shares(samples, shares, replicas, first_epoch)  # noqa: E731
        dataset = tf.data.Dataset.from_generator(batches, output_signature=_signature(samples))
        return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)).prefetch(own)

    return strategy.distribute_datasets_from_function(of_worker)


def steps_of(samples: Samples, replicas: int = 1) -> int:
    """Return the batches of one epoch."""
    return sum(1 for _ in samples.split.row_batches(samples.batch_size, shares=replicas))


def _shares(samples: Samples, shares: range, replicas: int, first_epoch: int) -> Iterator[tuple[Array, Array, Array]]:
    for epoch in count(first_epoch):
        for rows in samples.split.row_batches(samples.batch_size, samples.seed, epoch, replicas):
            for share in shares:
                own = rows[share::replicas]
                weight = np.float32(replicas * len(own) / len(rows))
                x, y = samples.split.take(own, samples.targets)
                yield x, x if samples.targets is None else y, np.full(len(own), weight)


def _signature(samples: Samples) -> tuple[tf.TensorSpec, ...]:
    x, targets = tf.TensorSpec((None, *samples.split.x_shape), tf.float32), samples.targets
    y = x if targets is None else tf.TensorSpec((None, *targets.shape[1:]), targets.dtype)
    return x, y, tf.TensorSpec((None,), tf.float32)
