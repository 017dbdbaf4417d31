"""Every optimizer's first steps are those of its published formula; what it does not take is refused."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from qatflow.backend import tf
from qatflow.errors import ParamsError
from qatflow.params.training import TrainingParams
from qatflow.params_file import validate
from qatflow.training.optimizers import OPTIMIZERS, RESERVED, make_optimizer

RATE, STEPS, EPSILON = 0.05, 8, 1e-7
START, CURVATURE = np.array([3.0, -2.0]), np.array([1.0, 10.0])


def sgd(x, g, t, s, momentum=0.0):
    """Robbins and Monro 1951."""
    s["m"] = momentum * s["m"] - RATE * g
    return x + s["m"]


def momentum(x, g, t, s):
    """Polyak 1964, in the form of Sutskever et al. 2013, eq. 1 and 2; Keras' 0.9."""
    return sgd(x, g, t, s, momentum=0.9)


def nesterov(x, g, t, s):
    """Sutskever et al. 2013, eq. 3 and 4, at the point after the look-ahead (Bengio et al. 2013, eq. 7)."""
    s["m"] = 0.9 * s["m"] - RATE * g
    return x + 0.9 * s["m"] - RATE * g


def adam(x, g, t, s):
    """Kingma and Ba 2015, the order of section 2 with epsilon-hat, as Keras has it."""
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g**2
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return x - rate * s["m"] / (np.sqrt(s["v"]) + EPSILON)


def adamw(x, g, t, s):
    """Loshchilov and Hutter 2019, algorithm 2; Keras decays before the step, by the rate times 0.004."""
    return adam(x - RATE * 0.004 * x, g, t, s)


def rmsprop(x, g, t, s):
    """Tieleman and Hinton 2012, lecture 6.5; Keras' 0.9, epsilon inside the root."""
    s["v"] = 0.9 * s["v"] + 0.1 * g**2
    return x - RATE * g / np.sqrt(s["v"] + EPSILON)


def adagrad(x, g, t, s):
    """Duchi, Hazan and Singer 2011, figure 1; Keras' accumulator starts at 0.1, epsilon inside the root."""
    s["v"] = s["v"] + g**2
    return x - RATE * g / np.sqrt(0.1 + s["v"] + EPSILON)


def adamax(x, g, t, s):
    """Kingma and Ba 2015, algorithm 2; Keras adds epsilon to the infinity norm."""
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["u"] = np.maximum(0.999 * s["u"], np.abs(g))
    return x - RATE / (1 - 0.9**t) * s["m"] / (s["u"] + EPSILON)


def adadelta(x, g, t, s):
    """Zeiler 2012, algorithm 1 with rho 0.95; Keras multiplies its step by a learning rate."""
    s["v"] = 0.95 * s["v"] + 0.05 * g**2
    delta = -np.sqrt(s["d"] + EPSILON) / np.sqrt(s["v"] + EPSILON) * g
    s["d"] = 0.95 * s["d"] + 0.05 * delta**2
    return x + RATE * delta


def nadam(x, g, t, s):
    """Dozat 2016 with the momenta 0.9 (1 - 0.96^t / 2); epsilon outside the root of the corrected average."""
    momenta = 0.9 * (1 - 0.5 * 0.96 ** np.arange(1, t + 2))
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g**2
    ahead = momenta[-1] * s["m"] / (1 - momenta.prod()) + (1 - momenta[-2]) * g / (1 - momenta[:-1].prod())
    return x - RATE * ahead / (np.sqrt(s["v"] / (1 - 0.999**t)) + EPSILON)


def lion(x, g, t, s):
    """Chen et al. 2023, program 1, without decay."""
    moved = x - RATE * np.sign(0.9 * s["m"] + 0.1 * g)
    s["m"] = 0.99 * s["m"] + 0.01 * g
    return moved


FORMULAS = {
    each.__name__: each
    for each in (sgd, momentum, nesterov, adam, adamw, rmsprop, adagrad, adamax, adadelta, nadam, lion)
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_first_steps_are_those_of_the_formula(name):
    """In a graph, for three variables at once, within 1e-5 of float64: some 50 roundings of float32."""
    optimizer = make_optimizer(TrainingParams(optimizer=name, schedule="constant", learning_rate=RATE), STEPS)
    variables = [tf.Variable(START * factor, dtype=tf.float32) for factor in (1, 2, -1)]
    optimizer.build(variables)
    curvature = tf.constant(CURVATURE, tf.float32)
    step = tf.function(lambda: optimizer.apply_gradients([(curvature * x, x) for x in variables]))
    wanted = [START * factor for factor in (1, 2, -1)]
    states = [defaultdict(lambda: np.zeros(2)) for _ in wanted]

    for t in range(1, STEPS + 1):
        step()
        wanted = [FORMULAS[name](x, CURVATURE * x, t, state) for x, state in zip(wanted, states, strict=True)]

        np.testing.assert_allclose([x.numpy() for x in variables], wanted, rtol=1e-5, atol=1e-5, err_msg=f"step {t}")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_variables_are_the_whole_state(name):
    """A copy that is given them goes on as if nothing had happened, bit for bit."""

    def trained(optimizer, variable, steps):
        step = tf.function(lambda: optimizer.apply_gradients([(tf.constant([1.0, 10.0]) * variable, variable)]))
        for _ in range(steps):
            step()

    params = TrainingParams(optimizer=name, learning_rate=RATE, warmup=0.2, averaging=0.9)
    first, second = make_optimizer(params, STEPS), make_optimizer(params, STEPS)
    x, y = tf.Variable([3.0, -2.0]), tf.Variable([0.0, 0.0])
    trained(first, x, 4)
    second.build([y])
    for to, value in zip([y, *second.variables], [x, *first.variables], strict=True):
        to.assign(value)
    trained(first, x, 3)
    trained(second, y, 3)

    np.testing.assert_array_equal(x.numpy(), y.numpy())
    assert not np.array_equal(x.numpy(), [3.0, -2.0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_setting_that_it_does_not_have_is_named_with_those_that_it_has(name):
    with pytest.raises(
        ParamsError, match=f"Optimizer '{name}' has no setting 'weight_decai'. It takes: .*clipnorm"
    ) as e:
        make_optimizer(TrainingParams(optimizer=name, optimizer_settings={"weight_decai": 0.1}), 1)

    assert "Did you mean 'weight_decay'?" in str(e.value)
    assert not any(f" {word}," in str(e.value) for word in RESERVED)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adam", {"beta_1": 1.5}, "beta_1 must be at least 0 and below 1, but it is 1.5"),
        ("adam", {"amsgrad": 0.5}, "amsgrad must be true or false, but it is 0.5"),
        ("sgd", {"momentum": True}, "momentum must be a number, but it is True"),
        ("rmsprop", {"epsilon": float("nan")}, "epsilon must be above 0, but it is nan"),
        ("lion", {"beta_1": 0.0}, "Optimizer 'lion': .*beta_1"),
        ("adam", {"learning_rate": 0.1}, "has no setting 'learning_rate'"),
    ],
)
def test_values_that_would_lose_the_training_are_refused(name, settings, message):
    with pytest.raises(ParamsError, match=message):
        make_optimizer(TrainingParams(optimizer=name, optimizer_settings=settings), 1)


def test_settings_reach_the_optimizer():
    given = {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}

    optimizer = make_optimizer(TrainingParams(optimizer="sgd", optimizer_settings=given), 1)

    assert given.items() <= optimizer.get_config().items()


def test_two_kinds_of_clipping_by_norm_are_refused():
    params = TrainingParams(clip_norm=1.0, optimizer_settings={"clipnorm": 1.0})

    with pytest.raises(ParamsError, match="At most one of `clipnorm` and `global_clipnorm`"):
        make_optimizer(params, 1)


@pytest.mark.parametrize(
    ("clipping", "wanted"),
    [
        ({"clip_norm": 2.5}, ([-1.5], [-2.0])),
        ({"optimizer_settings": {"clipnorm": 2.5}}, ([-2.5], [-2.5])),
        ({"optimizer_settings": {"clipvalue": 3.5}}, ([-3.0], [-3.5])),
        ({"clip_norm": 6.0}, ([-3.0], [-4.0])),
    ],
)
def test_gradients_are_clipped_together_each_or_by_value(clipping, wanted):
    """Gradients 3 and 4 have the norm 5 together."""
    params = TrainingParams(optimizer="sgd", schedule="constant", learning_rate=1.0, **clipping)
    x, y = tf.Variable([0.0]), tf.Variable([0.0])

    make_optimizer(params, 1).apply_gradients([(tf.constant([3.0]), x), (tf.constant([4.0]), y)])

    np.testing.assert_allclose((x.numpy(), y.numpy()), wanted, rtol=1e-6)


def test_unknown_optimizer_names_the_nearest():
    with pytest.raises(ParamsError, match="Did you mean 'adamw'"):
        make_optimizer(TrainingParams(optimizer="adam_w"), 1)


def test_a_value_that_is_no_number_is_refused_in_one_sentence():
    with pytest.raises(ParamsError) as error:
        validate({"pretrain": {"optimizer_settings": {"beta_1": "high"}}}, Path("params.yaml"))

    said = "pretrain.optimizer_settings.beta_1: expected a number, true or false, but it is 'high'"
    assert str(error.value).splitlines()[1:] == [f"  {said}"]
