"""Each schedule against its formula, with and without a warm-up, as the optimizer sees it step by step."""

import math

import numpy as np
import pytest

from qatflow.backend import tf
from qatflow.errors import ParamsError
from qatflow.params.training import TrainingParams
from qatflow.training.optimizers import make_optimizer
from qatflow.training.schedules import SCHEDULES, make_schedule

RATE, STEPS = 0.5, 30
FORMULAS = {
    "constant": lambda t, n: 1.0,
    "cosine": lambda t, n: 0.5 * (1 + math.cos(math.pi * t / n)),
    "exponential": lambda t, n: 0.01 ** (t / n),
    "step": lambda t, n: 0.1 ** (3 * t // n),
}


def rates(steps=range(STEPS), **training):
    schedule = make_schedule(TrainingParams(learning_rate=RATE, **training), STEPS)
    return [float(schedule(tf.constant(t, tf.int64))) for t in steps]


@pytest.mark.parametrize("name", SCHEDULES)
def test_rate_of_every_step_is_that_of_the_formula(name):
    assert rates(schedule=name) == pytest.approx([RATE * FORMULAS[name](t, STEPS) for t in range(STEPS)], rel=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_in_a_line_and_the_schedule_takes_the_rest(name):
    wanted = [RATE * (t + 1) / 6 for t in range(6)] + [RATE * FORMULAS[name](t, 24) for t in range(24)]

    assert rates(schedule=name, warmup=0.2) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("cosine", {"floor": 0.1}, lambda t: 0.1 + 0.45 * (1 + math.cos(math.pi * t / STEPS))),
        ("step", {"drop": 0.5, "every": 0.1}, lambda t: 0.5 ** (t // 3)),
        ("exponential", {"end": 0.5}, lambda t: 0.5 ** (t / STEPS)),
    ],
)
def test_settings_change_the_formula(name, settings, formula):
    wanted = [RATE * formula(t) for t in range(STEPS)]

    assert rates(schedule=name, schedule_settings=settings) == pytest.approx(wanted, rel=1e-5)


def test_after_the_run_a_schedule_stays_at_its_end():
    assert rates((STEPS, 10 * STEPS)) == pytest.approx([0, 0], abs=1e-7)
    assert rates((STEPS, 10 * STEPS), schedule="exponential") == pytest.approx([RATE * 0.01] * 2)


def test_the_optimizer_uses_it():
    optimizer = make_optimizer(TrainingParams(optimizer="sgd", learning_rate=1.0, warmup=0.5), 4)
    variable = tf.Variable(0.0)

    moved = []
    for _ in range(4):
        before = float(variable)
        optimizer.apply_gradients([(tf.constant(1.0), variable)])
        moved.append(before - float(variable))

    np.testing.assert_allclose(moved, [0.5, 1.0, 1.0, 0.5], rtol=1e-6)


def test_a_run_of_one_step_uses_the_whole_rate():
    assert float(make_schedule(TrainingParams(learning_rate=RATE, warmup=0.9), 1)(tf.constant(0))) == RATE


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"schedule": "cosin"}, "Unknown schedule 'cosin'. Known: constant, cosine, .* Did you mean 'cosine'"),
        ({"schedule_settings": {"drop": 0.1}}, "Schedule 'cosine' has no setting 'drop'. It takes: floor."),
        ({"schedule": "constant", "schedule_settings": {"end": 0.1}}, "no setting 'end'. It takes none."),
        ({"schedule": "step", "schedule_settings": {"every": 0.0}}, "every must be above 0 and at most 1, but it is 0"),
    ],
)
def test_mistakes_say_what_would_be_right(training, message):
    with pytest.raises(ParamsError, match=message):
        rates(**training)
