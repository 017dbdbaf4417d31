"""Every optimizer lowers a quadratic."""

import pytest

from qatflow.backend import tf
from qatflow.errors import ParamsError
from qatflow.params import TrainingParams
from qatflow.training.optimizers import OPTIMIZERS, make_optimizer


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_lowers_a_quadratic(name, schedule):
    optimizer = make_optimizer(TrainingParams(optimizer=name, schedule=schedule, learning_rate=0.01), 10)
    variable = tf.Variable([3.0, -2.0])
    before = tf.reduce_sum(variable**2)

    for _ in range(2):
        optimizer.apply_gradients([(2 * variable, variable)])

    assert tf.reduce_sum(variable**2) < before


def test_cosine_ends_at_zero():
    optimizer = make_optimizer(TrainingParams(optimizer="sgd", schedule="cosine", learning_rate=0.5), 2)
    variable = tf.Variable([1.0])

    rates = []
    for _ in range(3):
        optimizer.apply_gradients([(variable * 0, variable)])
        rates.append(float(optimizer.learning_rate))

    assert rates == pytest.approx([0.5, 0.25, 0.0], abs=1e-7)


def test_unknown_optimizer_names_the_nearest():
    with pytest.raises(ParamsError, match="Did you mean 'adamw'"):
        make_optimizer(TrainingParams(optimizer="adam_w"), 1)
