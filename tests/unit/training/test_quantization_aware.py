"""One optimizer of two, each with the variables that are its own, and what is done to kernels besides."""

import numpy as np
import pytest

from qatflow.backend import keras, start, tf
from qatflow.errors import ParamsError
from qatflow.params.quantize import QatParams
from qatflow.training.optimizers import OPTIMIZERS, make_optimizer
from qatflow.training.quantization_aware import QuantizationAware, Rule, make_quantization_aware

SGD = keras.optimizers.SGD


class Scaled(keras.layers.Layer):
    """Multiplies by a learned weight and by the exponential of a learned grid."""

    def build(self, input_shape):
        self.weight = self.add_weight("weight", (), initializer="ones")
        self.log_step = self.add_weight("kernel_log_step", (), initializer="zeros")

    def call(self, inputs):
        return inputs * self.weight * tf.exp(self.log_step)


class Pulled(Rule):
    """Adds 5 to the gradient, and after each step counts, and lifts the kernel to 0.5 at least."""

    def build(self, state):
        self.count = state("count", tf.zeros_like(self.kernel))

    def pull(self):
        return 5.0

    def hold(self):
        self.count.assign_add(tf.ones_like(self.count))
        self.kernel.assign(tf.maximum(self.kernel, 0.5))


X, Y = np.ones((4, 1), np.float32), np.full((4, 1), 3.0, np.float32)
GRADIENT = -4.0
"""Of (w e^s - 3)^2 by w and by s, at w = 1 and s = 0."""


@pytest.fixture
def model():
    start(0)
    inputs = keras.layers.Input((1,))
    return keras.Model(inputs, Scaled(name="scaled")(inputs), name="net")


def step(model, optimizer):
    model.compile(optimizer, "mean_squared_error")
    model.train_on_batch(X, Y)
    layer = model.get_layer("scaled")
    return float(layer.weight), float(layer.log_step)


@pytest.fixture
def pair():
    """Give a weight and a grid outside of any model."""
    return tf.Variable([3.0, -2.0], name="kernel"), tf.Variable([-1.5, 0.5], name="kernel_log_step")


def gradients(weight, grid):
    return [(tf.constant([1.0, 10.0]) * weight, weight), (tf.constant([4.0, 0.1]) * grid, grid)]


def test_each_variable_moves_at_its_own_rate(model):
    moved = step(model, QuantizationAware(SGD(0.1), SGD(0.01)))

    assert moved == pytest.approx((1 - 0.1 * GRADIENT, -0.01 * GRADIENT))


def test_a_rate_of_zero_holds_the_grids(model):
    assert step(model, QuantizationAware(SGD(0.1), SGD(0.0)))[1] == 0


def test_rules_pull_before_a_step_and_hold_after_it(model):
    rule = Pulled(model.get_layer("scaled").weight)

    moved = step(model, QuantizationAware(SGD(1.0), SGD(0.01), [rule]))

    assert moved == pytest.approx((0.5, -0.01 * GRADIENT))  # 1 - (-4 + 5) is 0, lifted
    assert float(rule.count) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_makes_the_steps_that_it_makes_alone(name, pair):
    params = QatParams(optimizer=name, learning_rate=0.05, grid_learning_rate=0.01, warmup=0.3)
    alone = [tf.Variable(variable) for variable in pair]
    weights = make_optimizer(params, 6)
    grids = make_optimizer(params.model_copy(update={"optimizer": "adam", "learning_rate": 0.01}), 6)
    wrapped = make_quantization_aware(params, 6)
    wrapped.build(pair)
    apply = tf.function(lambda: wrapped.apply_gradients(gradients(*pair)))

    for _ in range(6):
        apply()
        for optimizer, gradient in zip((weights, grids), gradients(*alone), strict=True):
            optimizer.apply_gradients([gradient])

    for ours, theirs in zip(pair, alone, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)
    assert wrapped.iterations == 6
    assert float(wrapped.learning_rate) == float(weights.learning_rate)


def test_grids_do_not_decay(pair):
    weight, grid = pair
    decaying = [keras.optimizers.AdamW(0.1, weight_decay=0.5) for _ in range(2)]

    QuantizationAware(*decaying).apply_gradients([(tf.zeros(2), weight), (tf.zeros(2), grid)])

    np.testing.assert_allclose(weight.numpy(), [3.0 * 0.95, -2.0 * 0.95])
    np.testing.assert_array_equal(grid.numpy(), [-1.5, 0.5])


def test_gradients_of_grids_and_weights_are_clipped_apart(pair):
    params = QatParams(
        optimizer="sgd",
        grid_optimizer="sgd",
        learning_rate=1.0,
        grid_learning_rate=1.0,
        schedule="constant",
        clip_norm=1.0,
    )
    weight, grid = (variable.numpy() for variable in pair)

    make_quantization_aware(params, 1).apply_gradients(
        [(tf.constant([300.0, 400.0]), pair[0]), (tf.constant([0.3, 0.4]), pair[1])]
    )

    np.testing.assert_allclose(pair[0].numpy(), weight - [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(pair[1].numpy(), grid - [0.3, 0.4], rtol=1e-6)


def test_variables_are_the_whole_state(pair):
    """A copy that is given them, and the rules' kernel, goes on bit for bit."""

    def made(variables):
        optimizer = make_quantization_aware(
            QatParams(optimizer="nadam", warmup=0.2, averaging=0.9), 8, [Pulled(variables[0])]
        )
        optimizer.build(variables)
        return optimizer, tf.function(lambda: optimizer.apply_gradients(gradients(*variables)))

    copies = [tf.Variable(tf.zeros(2), name="kernel"), tf.Variable(tf.zeros(2), name="kernel_log_step")]
    (first, go_on), (second, resume) = made(pair), made(copies)
    for _ in range(4):
        go_on()
    for to, value in zip([*copies, *second.variables], [*pair, *first.variables], strict=True):
        to.assign(value)
    for _ in range(3):
        go_on()
        resume()
    for optimizer, variables in ((first, pair), (second, copies)):
        optimizer.finalize_variable_values(variables)

    for ours, theirs in zip([*pair, *first.variables], [*copies, *second.variables], strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert any(float(tf.reduce_sum(v)) == 14 for v in first.variables if "count" in v.name)


def test_a_checkpoint_brings_the_state_back(pair, tmp_path):
    optimizer = make_quantization_aware(QatParams(optimizer="momentum"), 8, [Pulled(pair[0])])
    optimizer.build(pair)
    optimizer.apply_gradients(gradients(*pair))
    before = [variable.numpy() for variable in optimizer.variables]
    checkpoint = tf.train.Checkpoint(optimizer=optimizer)
    saved = checkpoint.save(str(tmp_path / "state"))
    optimizer.apply_gradients(gradients(*pair))

    checkpoint.restore(saved)

    for value, variable in zip(before, optimizer.variables, strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_averages_of_both_end_in_the_variables(pair):
    params = QatParams(optimizer="sgd", grid_optimizer="sgd", schedule="constant", averaging=0.75)
    optimizer = make_quantization_aware(params, 1)
    before = [variable.numpy() for variable in pair]
    optimizer.apply_gradients(gradients(*pair))
    after = [variable.numpy() for variable in pair]

    optimizer.finalize_variable_values(pair)

    for variable, old, new in zip(pair, before, after, strict=True):
        np.testing.assert_allclose(variable.numpy(), 0.75 * old + 0.25 * new, rtol=1e-6)
        assert not np.array_equal(old, new)


def test_models_without_grids_need_nothing_of_the_second():
    variable = tf.Variable(1.0, name="kernel")

    QuantizationAware(SGD(0.1), SGD(0.1)).apply_gradients([(tf.constant(2.0), variable)])

    assert float(variable) == pytest.approx(0.8)


def test_settings_are_those_of_the_weights_optimizer():
    optimizer = make_quantization_aware(QatParams(optimizer="sgd", optimizer_settings={"momentum": 0.5}), 1)

    assert optimizer.get_config()["weights"]["momentum"] == 0.5
    assert optimizer.get_config()["grids"]["name"] == "Adam"


def test_an_unknown_optimizer_for_grids_names_the_nearest():
    with pytest.raises(ParamsError, match=r"Unknown optimizer 'adem'\. .* Did you mean 'adam'"):
        make_quantization_aware(QatParams(grid_optimizer="adem"), 1)
