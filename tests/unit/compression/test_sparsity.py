import numpy as np
import pytest

from qatflow.compression.sparsity import PATTERNS, adaptive, blocks, lamp_scores, stored, two_of_four, unstored


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.93])
def test_single_weights_go_by_magnitude_and_their_count_is_exact(rows, sparsity):
    keep = blocks(rows, sparsity, 1)

    assert np.sum(~keep) == int(sparsity * rows.size)
    assert np.abs(rows[~keep]).max() <= np.abs(rows[keep]).min()


def test_equal_weights_go_from_the_front():
    keep = blocks(np.ones((2, 3), np.float32), 0.5, 1)

    assert keep.tolist() == [[False, False, False], [True, True, True]]


def test_two_of_each_four_stay_and_they_are_the_larger_ones(rows):
    fours, keep = np.abs(rows).reshape(-1, 4), two_of_four(rows, 0.5).reshape(-1, 4)

    assert (keep.sum(axis=1) == 2).all()
    assert all(four[k].min() >= four[~k].max() for four, k in zip(fours, keep, strict=True))


def test_on_the_way_the_fours_that_lose_least_come_first(rows):
    keep = two_of_four(rows, 0.25).reshape(-1, 4)
    lost = np.sort(np.abs(rows).reshape(-1, 4), axis=1)[:, :2]

    treated = keep.sum(axis=1) == 2
    assert treated.sum() == len(keep) // 2
    assert keep[~treated].all()
    assert np.square(lost[treated]).sum(axis=1).max() <= np.square(lost[~treated]).sum(axis=1).min()


def test_blocks_go_whole_by_their_sum_of_squares(rows):
    keep, norms = blocks(rows, 0.5, 4).reshape(-1, 4), np.square(rows).reshape(-1, 4).sum(axis=1)

    gone = ~keep.any(axis=1)
    assert gone.sum() == len(keep) // 2
    assert keep[~gone].all()
    assert norms[gone].max() <= norms[~gone].min()


@pytest.mark.parametrize("pattern", ["2:4", "block"])
def test_weights_left_over_at_the_end_of_a_row_stay(pattern):
    rows = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)

    keep = PATTERNS[pattern](rows, 0.5, 4)
    assert keep[:, 4:].all()
    assert not keep[:, :4].all()


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (5, 4, 8), (4, 8)])
def test_rows_run_along_the_input_channels_as_in_the_flatbuffer(shape):
    kernel = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    rows = stored(kernel)

    assert rows.shape == (np.prod(shape) // 4, 4)
    assert np.array_equal(rows[0], kernel.reshape(-1, 4, 8)[0, :, 0])
    assert np.array_equal(unstored(rows, shape), kernel)


def test_lamp_scores_are_those_of_the_paper():
    kernel = np.array([[3.0, -1.0], [2.0, 0.0]], np.float32)

    assert lamp_scores(kernel).tolist() == pytest.approx([9 / 9, 1 / (1 + 4 + 9), 4 / (4 + 9), 0.0])


def test_no_layer_loses_its_largest_weight():
    kernels = [np.full((3, 3), 1e-6, np.float32), np.ones((50, 50), np.float32)]

    keep = adaptive(kernels, 0.99)
    assert keep[0].any()
    assert sum(np.sum(~mask) for mask in keep) == int(0.99 * 2509)
