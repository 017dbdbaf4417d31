"""Feeds a split to all replicas of a tf.distribute strategy: each batch divided among them, without overlap or loss."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import tf
from qatflow.data.streams import Samples, untuned


def distributed(samples: Samples, strategy: Any, first_epoch: int = 0, *, weighted: bool = True) -> Any:
    """Return a distributed dataset of (x, targets, weights) that begins with an epoch and never ends.

    Replica i of n gets samples i, i + n, … of each batch, at least one: a last batch of fewer samples joins the one
    before. Weights undo that a replica's loss is the mean over its own share, and that shares of one batch may differ
    by a sample: the sum of all gradients is that of the whole batch's mean loss.

    Args:
        samples: Batches of all replicas together.
        strategy: A tf.distribute strategy.
        first_epoch: Number of the epoch to begin with, from 0.
        weighted: Whether there are weights; to validate needs none.
    """

    def of_worker(context: Any) -> Any:
        replicas = context.num_replicas_in_sync
        own = replicas // context.num_input_pipelines
        shares = range(context.input_pipeline_id * own, (context.input_pipeline_id + 1) * own)
        weights = (tf.TensorSpec((None,), tf.float32),) if weighted else ()

        def batches() -> Iterator[tuple[Array, ...]]:
            for *batch, weight in _shares(samples, shares, replicas, first_epoch):
                yield (*batch, weight) if weighted else tuple(batch)

        dataset = tf.data.Dataset.from_generator(batches, output_signature=(*samples.signature(), *weights))
        endless = dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return untuned(endless.prefetch(own))

    return strategy.distribute_datasets_from_function(of_worker)


def _shares(samples: Samples, shares: range, replicas: int, first_epoch: int) -> Iterator[tuple[Array, Array, Array]]:
    for epoch in count(first_epoch):
        take = samples.taker(epoch)
        for rows in samples.split.row_batches(samples.batch_size, samples.seed, epoch, replicas):
            for share in shares:
                own = rows[share::replicas]
                yield *take(own), np.full(len(own), replicas * len(own) / len(rows), np.float32)
