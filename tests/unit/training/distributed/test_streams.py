import numpy as np
import pytest

from qatflow.data.streams import Samples
from qatflow.training.distributed.streams import _shares


def epochs(digits, batch_size, replicas, count=1, first=0):
    """Return the batches of some epochs, each a list of the replicas' (x, y, weights)."""
    samples = Samples(digits.train, batch_size, digits.train.labels(), seed=3)
    stream = _shares(samples, range(replicas), replicas, first)
    return [[next(stream) for _ in range(replicas)] for _ in range(count * samples.steps(replicas))]


@pytest.mark.parametrize("replicas", [2, 3, 5])
@pytest.mark.parametrize("batch_size", [32, 43, 64, 127])  # 130 samples: last batches of 2, 1, 2 and 3
def test_every_sample_is_seen_once_an_epoch(digits, batch_size, replicas):
    batches = epochs(digits, batch_size, replicas)

    seen = np.concatenate([x for batch in batches for x, _, _ in batch])
    expected = digits.train.arrays()[0]
    order = [np.lexsort(values.reshape(len(values), -1).T) for values in (seen, expected)]
    np.testing.assert_array_equal(seen[order[0]], expected[order[1]])
    assert min(len(x) for batch in batches for x, _, _ in batch) >= 1


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_weighted_means_of_the_shares_make_the_mean_of_the_batch(digits, replicas):
    for batch in epochs(digits, 50, replicas):
        means = [np.mean(y * weights) for _, y, weights in batch]
        whole = np.concatenate([y for _, y, _ in batch])

        assert np.mean(means) == pytest.approx(whole.mean())
        assert max(len(x) for x, _, _ in batch) - min(len(x) for x, _, _ in batch) <= 1


def test_a_batch_is_that_of_one_worker_and_a_later_epoch_can_come_first(digits):
    batches = epochs(digits, 32, 2, count=1, first=4)

    for batch, (x, y) in zip(batches, digits.train.batches(32, 3, epoch=4), strict=True):
        np.testing.assert_array_equal(batch[0][0], x[::2])
        np.testing.assert_array_equal(batch[1][1], y[1::2])


def test_workers_together_see_the_views_of_one(digits):
    samples = Samples(digits.train, 32, digits.train.labels(), 3, ("flip", "shift"))
    alone, shared = (_shares(samples, range(replicas), replicas, 1) for replicas in (1, 2))

    for _ in range(samples.steps(2)):
        x = next(alone)[0]
        np.testing.assert_array_equal(next(shared)[0], x[::2])
        np.testing.assert_array_equal(next(shared)[0], x[1::2])
