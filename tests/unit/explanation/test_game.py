"""Coalitions on real flatbuffers."""

import numpy as np
import pytest

from qatflow.errors import ConversionError
from qatflow.explanation import game as games
from qatflow.explanation.game import Game, answer_of
from qatflow.explanation.players import divide


@pytest.fixture
def game(golden, digits):
    x = digits.test.arrays(limit=1)[0][0]
    background = digits.train.arrays(limit=3)[0]
    return Game(answer_of(golden["float32"], "classification"), [2, 7], x, background, divide((8, 8, 1), 16))


def test_all_players_are_the_sample_and_none_is_the_mean_over_the_fillers(game):
    full, empty = game.worth(np.array([[True] * 16, [False] * 16]))

    np.testing.assert_allclose(full, game.answer(game.x[None])[0, [2, 7]], atol=1e-7)
    np.testing.assert_allclose(empty, game.answer(game.fill)[:, [2, 7]].mean(axis=0), atol=1e-7)


def test_a_present_player_shows_the_sample_and_an_absent_one_the_filler(game):
    present = np.arange(16) < 4  # the upper two rows
    mixed = game.fill.copy()
    mixed[:, :2] = game.x[:2]

    np.testing.assert_allclose(game.worth(present[None])[0], game.answer(mixed)[:, [2, 7]].mean(axis=0), atol=1e-7)


def test_little_memory_changes_nothing(game, monkeypatch):
    present = np.random.default_rng(0).random((50, 16)) < 0.5
    whole = game.worth(present)
    monkeypatch.setattr(games, "CHUNK_BYTES", 7 * game.fill.nbytes)

    np.testing.assert_array_equal(game.worth(present), whole)


def test_players_that_look_the_same_when_absent_do_not_move(game):
    same = Game(game.answer, [0], game.x, game.x[None].copy(), game.players)
    same.fill[0, 0, 0] += 0.5

    assert same.moving().tolist() == [True] + [False] * 15


def test_only_plays_for_one_of_the_outputs(game):
    present = np.ones((1, 16), bool)

    assert game.only(1).worth(present).tolist() == game.worth(present)[:, 1:].tolist()


def test_of_an_autoencoder_the_error_is_explained(golden):
    x = np.random.default_rng(0).random((3, 64), np.float32)

    assert answer_of(golden["autoencoder"], "anomaly")(x).shape == (3, 1)


def test_what_is_no_flatbuffer_is_refused():
    with pytest.raises(ConversionError, match="no TFLite model"):
        answer_of(b"not one", "classification")
