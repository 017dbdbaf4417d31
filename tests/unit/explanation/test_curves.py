"""Deletion and insertion where they are known."""

import numpy as np
import pytest

from qatflow.explanation.curves import area, curves, summarize_curves
from qatflow.explanation.game import Game, answer_of
from qatflow.explanation.players import divide
from qatflow.explanation.shapley import attribute

pytestmark = pytest.mark.slow

WORTH = np.array([4.0, 2.0, 1.0, 3.0])


@pytest.fixture
def additive():
    """A game in which each player adds its `WORTH`."""
    return Game(lambda x: x @ WORTH[:, None], [0], np.ones(4), np.zeros((1, 4)), divide((4,), 1))


def test_deletion_takes_the_strongest_first_and_insertion_adds_it_first(additive):
    deletion, insertion = curves(additive, WORTH, (0,))

    assert deletion[0].tolist() == [10, 6, 3, 1, 0]
    assert insertion[0].tolist() == [0, 4, 7, 9, 10]


def test_random_orders_have_the_same_ends_and_lie_between_the_best_and_the_worst(additive):
    best, worst = (curves(additive, values, (0,)) for values in (WORTH, -WORTH))

    for kind in range(2):
        random = best[kind, 1]
        assert (random[0], random[-1]) == (best[kind, 0, 0], best[kind, 0, -1])
        low, high = sorted([area(best[kind, 0]), area(worst[kind, 0])])
        assert low < area(random) < high


def test_the_area_is_the_mean_answer_over_shares_of_players():
    assert area(np.array([1.0, 1.0, 1.0])) == 1.0
    assert area(np.array([[10.0, 6, 3, 1, 0], [0, 0, 0, 0, 4]])).tolist() == [3.75, 0.5]


def test_gains_are_positive_where_the_attribution_beats_chance(additive):
    good, bad = (
        summarize_curves(np.stack([curves(additive, sign * WORTH, (i,)) for i in range(6)]), 0) for sign in (1, -1)
    )

    for kind in ("deletion", "insertion"):
        assert good[kind]["gain"]["mean"] > 0.5
        assert bad[kind]["gain"]["mean"] < -0.5
        gain = good[kind]["area"] - good[kind]["random_area"]
        assert abs(gain) == pytest.approx(good[kind]["gain"]["mean"], abs=1e-5)


def test_on_an_int8_flatbuffer_shapley_values_beat_random_orders(golden, digits):
    x, _ = digits.test.arrays(limit=4)
    background = digits.train.arrays()[0].mean(axis=0, keepdims=True)
    answer = answer_of(golden["int8"], "classification")
    found = []
    for row in x:
        game = Game(answer, [int(answer(row[None]).argmax())], row, background, divide((8, 8, 1), 16))
        found.append(curves(game, attribute(game, 32, (0,))[:, 0], (0,)))

    summary = summarize_curves(np.stack(found), 0)

    assert summary["deletion"]["gain"]["interval"][0] > 0.05
    assert summary["insertion"]["gain"]["interval"][0] > 0.05
