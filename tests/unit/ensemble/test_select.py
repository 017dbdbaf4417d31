import numpy as np

from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.select import select

MEAN, WEIGHTED, VOTE = (COMBINERS[name] for name in ("mean", "weighted", "vote"))
Y = np.random.default_rng(0).normal(size=(400, 1))


def off(*errors):
    return (Y + np.stack(errors, axis=1)).astype(np.float32)


def errors(seed, spread=1.0):
    return np.random.default_rng(seed).normal(0, spread, len(Y))


def test_members_that_err_apart_are_chosen_before_better_ones_that_err_together():
    shared = errors(1)
    models = np.stack([off(shared), off(shared * 1.01), off(errors(2, 1.2))])

    assert select("regression", Y, models, MEAN, 2) == (0, 2)


def test_the_best_one_alone_if_no_other_helps():
    models = np.stack([off(errors(1, 0.01)), off(errors(2, 3.0)), off(errors(3, 3.0))])

    for combiner in (MEAN, WEIGHTED):
        assert select("regression", Y, models, combiner, 3) == (0,)


def test_no_more_than_asked_for():
    models = np.stack([off(errors(seed)) for seed in range(6)])

    assert [len(select("regression", Y, models, WEIGHTED, size)) for size in (2, 3, 6)] == [2, 3, 6]


def test_a_weaker_one_comes_in_where_the_better_one_can_be_picked_again():
    """With equal weights the third model does harm; picked once in many rounds it helps."""
    models = np.stack([off(errors(1, 1.0)), off(errors(2, 2.5))])

    assert select("regression", Y, models, MEAN, 2) == (0,)
    assert select("regression", Y, models, WEIGHTED, 2) == (0, 1)


def test_a_vote_is_judged_as_a_vote():
    y = np.zeros(30, np.int64)
    right, wrong = np.array([0.6, 0.4]), np.array([0.4, 0.6])
    models = np.stack([np.where((np.arange(30) % 3 == part)[:, None], wrong, right) for part in range(3)])

    chosen = select("classification", y, models.astype(np.float32), VOTE, 3)

    assert sorted(chosen) == [0, 1, 2]


def test_equal_models_are_told_apart_by_their_order():
    models = np.stack([off(errors(1))] * 3)

    assert select("regression", Y, models, MEAN, 3) == (0,)
