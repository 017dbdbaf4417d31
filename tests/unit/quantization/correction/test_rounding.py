from dataclasses import replace

import numpy as np
import pytest

from qatflow.quantization.correction.rounding import (
    BETAS,
    WARM_UP,
    Reconstruction,
    beta,
    inverse_rectified_sigmoid,
    learn_rounding,
    rectified_sigmoid,
)

RELU = (0.0, np.inf)
NONE = (-np.inf, np.inf)


def task(groups=1, limits=NONE, top=7):
    """A layer whose inputs hang together, as those of trained networks do."""
    rng = np.random.default_rng(0)
    x = (rng.normal(0, 1, (groups, 600, 3)) @ rng.normal(0, 1, (groups, 3, 12))).astype(np.float32)
    weights = rng.normal(0, 1, (groups, 12, 5)).astype(np.float32)
    bias = rng.normal(0, 1, (groups, 1, 5)).astype(np.float32)
    steps = np.abs(weights).max(axis=1, keepdims=True) / np.float32(top)
    return Reconstruction(x, x @ weights + bias, weights, steps, bias, top, limits)


def learned(problem, seed=0):
    return learn_rounding(problem, 300, np.random.default_rng(seed))


def nearest(problem):
    return np.rint(problem.weights / problem.steps)


@pytest.mark.parametrize("limits", [NONE, RELU, (0.0, 6.0)])
@pytest.mark.parametrize("groups", [1, 4])
def test_outputs_are_clearly_closer_than_those_of_nearest_rounding(groups, limits):
    problem = task(groups, limits)

    assert problem.mean_error(learned(problem)) < 0.5 * problem.mean_error(nearest(problem))


@pytest.mark.parametrize("top", [4, 7, 127])
def test_weights_go_to_one_of_their_two_neighbours_on_the_grid(top):
    problem = task(top=top)
    clipped = replace(problem, steps=problem.steps * 0.8)  # the largest weights lie beyond the grid

    q = learned(clipped)
    scaled = clipped.weights / clipped.steps

    assert q.dtype == np.float32
    assert ((q == np.clip(np.floor(scaled), -top, top)) | (q == np.clip(np.ceil(scaled), -top, top))).all()
    assert np.abs(q).max() == top
    assert (q != np.clip(np.rint(scaled), -top, top)).any()


def test_weights_on_the_grid_stay_and_dead_channels_stay_dead():
    problem = task()
    weights = problem.weights.copy()
    weights[:, :, 0], weights[:, :, 1] = 0.0, problem.steps[:, :, 1] * np.arange(-6, 6)

    q = learned(replace(problem, weights=weights, target=problem.x @ weights + problem.bias))

    assert (q[:, :, 0] == 0).all()
    assert q[0, :, 1].tolist() == list(range(-6, 6))


def test_the_same_seed_gives_the_same_weights():
    assert learned(task(), seed=1).tobytes() == learned(task(), seed=1).tobytes()


def test_never_worse_than_nearest_rounding():
    problem = task()

    assert learn_rounding(problem, 0, np.random.default_rng(0)).tolist() == nearest(problem).tolist()
    one_row = replace(problem, x=problem.x[:, :1], target=problem.target[:, :1])
    assert one_row.mean_error(learned(one_row)) <= one_row.mean_error(nearest(one_row))


@pytest.mark.parametrize("limits", [NONE, (-1.0, 2.0)])
def test_the_gradient_is_the_slope_of_the_error(limits):
    problem = task(2, limits)
    q, rows = nearest(problem) + np.float32(0.3), slice(0, 500)
    whole = replace(problem, x=problem.x[:, rows], target=problem.target[:, rows])
    bump = np.zeros_like(q)
    bump[1, 3, 2] = 1e-2

    slope = (whole.mean_error(q + bump) - whole.mean_error(q - bump)) / 2e-2

    assert problem.gradient(q, rows)[1, 3, 2] == pytest.approx(slope, rel=0.02)


def test_the_rectified_sigmoid_reaches_both_ends_and_has_its_inverse():
    h = np.linspace(0, 1, 101, dtype=np.float32)
    v = inverse_rectified_sigmoid(h)

    np.testing.assert_allclose(rectified_sigmoid(v)[0], h, atol=1e-5)
    slopes = (rectified_sigmoid(v + np.float32(1e-2))[0] - rectified_sigmoid(v - np.float32(1e-2))[0]) / 2e-2
    np.testing.assert_allclose(rectified_sigmoid(v)[1][5:-5], slopes[5:-5], rtol=1e-2)
    assert rectified_sigmoid(np.array([-9, 9], np.float32))[0].tolist() == [0, 1]


def test_beta_falls_from_first_to_last():
    values = [beta(progress) for progress in np.linspace(WARM_UP, 1, 9)]

    assert (values[0], values[-1]) == BETAS
    assert values == sorted(values, reverse=True)
