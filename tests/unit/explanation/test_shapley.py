"""Shapley values where they are known: phi_i = w_i (x_i - E[x_i]) of a linear model."""

import numpy as np
import pytest

from qatflow.explanation.game import Game, answer_of
from qatflow.explanation.players import divide
from qatflow.explanation.shapley import attribute, attribute_samples
from tests.unit.explanation.conftest import WEIGHTS

RANDOM = np.random.default_rng(1)


def test_of_a_linear_flatbuffer_they_are_the_analytic_ones(linear):
    x, background = RANDOM.normal(size=6).astype(np.float32), RANDOM.normal(size=(9, 6)).astype(np.float32)
    game = Game(answer_of(linear, "regression"), [0], x, background, divide((6,), 1))

    found = attribute(game, 32, (0,))

    np.testing.assert_allclose(found[:, 0], WEIGHTS[0] * (x - background.mean(axis=0)), atol=1e-3)


def test_of_a_linear_function_of_many_players_they_are_the_analytic_ones():
    weights = RANDOM.normal(size=(12, 12, 3, 2))
    x, background = RANDOM.normal(size=(12, 12, 3)), RANDOM.normal(size=(2, 12, 12, 3))
    players = divide((12, 12, 3), 40)
    game = Game(lambda inputs: np.tensordot(inputs, weights, 3), [0, 1], x, background, players)

    found = attribute(game, 8, (0,))

    for output in range(2):
        expected = players.sums(weights[..., output] * (x - background.mean(axis=0)))
        np.testing.assert_allclose(found[:, output], expected, atol=1e-3)


def test_of_two_players_that_only_count_together_each_has_half():
    x = np.array([1.0, 1.0, 5.0])
    game = Game(lambda inputs: inputs[:, :1] * inputs[:, 1:2], [0], x, np.zeros((1, 3)), divide((3,), 1))

    np.testing.assert_allclose(attribute(game, 32, (0,))[:, 0], [0.5, 0.5, 0.0], atol=1e-9)


@pytest.fixture
def game(golden, digits):
    x, background = digits.test.arrays(limit=1)[0][0], digits.train.arrays()[0].mean(axis=0, keepdims=True)
    return Game(answer_of(golden["int8"], "classification"), [6], x, background, divide((8, 8, 1), 16))


def test_they_sum_to_the_answer_less_that_without_any_player(game):
    full, empty = game.worth(np.array([[True] * 16, [False] * 16]))

    assert attribute(game, 16, (0,)).sum() == pytest.approx(float((full - empty)[0]), abs=1e-6)


def test_equal_seeds_give_equal_bits_and_other_seeds_others(game):
    first, again, other = (attribute(game, 16, seed) for seed in ((1, 2), (1, 2), (1, 3)))

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_the_global_generator_is_left_as_it_was(game):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random(4)  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    attribute(game, 8, (0,))

    np.testing.assert_array_equal(np.random.random(4), expected)  # noqa: NPY002


@pytest.mark.parametrize("moving", [0, 1])
def test_players_that_cannot_matter_have_exactly_nothing(game, moving):
    still = Game(game.answer, [6], game.x, game.x[None].copy(), game.players)
    still.fill[0, 3, 3] += 0.25 * moving

    found = attribute(still, 8, (0,))[:, 0]

    assert np.count_nonzero(found) <= moving
    assert found.shape == (16,)


def test_samples_explained_together_are_explained_as_alone(game, digits):
    other = Game(game.answer, [6, 1], digits.test.arrays(limit=2)[0][1], game.fill, game.players)
    still = Game(game.answer, [6], game.x, game.x[None].copy(), game.players)  # in which nobody can matter
    still.fill[0, 3, 3] += 0.25
    together = attribute_samples([[game], [still], [other]], 16, (0,))

    for (found,), one in zip(together, (game, still, other), strict=True):
        np.testing.assert_array_equal(found, attribute(one, 16, (0,)))
