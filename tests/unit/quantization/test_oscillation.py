import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.params.quantize import QatParams
from qatflow.quantization.fake_quant import Grids, build
from qatflow.quantization.oscillation import Dampen, Freeze, low_bit_kernels, rules_of
from qatflow.quantization.plan import Plan
from qatflow.training.quantization_aware import QuantizationAware

layers = keras.layers
STEP = 0.1


@pytest.fixture
def network(sequence):
    stack = [layers.Dense(3, use_bias=False, name="four"), layers.Dense(3, use_bias=False, name="eight")]
    model = sequence((2,), *stack)
    step = np.float32(STEP)
    return build(model, Plan({"four": 4, "eight": 8}, {}), Grids({"four": step, "eight": step}, {}))


@pytest.fixture
def kernel(network):
    return low_bit_kernels(network)[0][0]


def test_only_narrow_grids_oscillate(network):
    found = low_bit_kernels(network)

    assert [(tuple(kernel.shape), quantizer.bits) for kernel, quantizer in found] == [((2, 3), 4)]


def freezing(kernel, quantizer, threshold):
    rule = Freeze(kernel, quantizer, threshold)
    rule.build(lambda name, value: tf.Variable(value, name=name))
    return rule


def frozen_share(rule):
    return float(tf.reduce_mean(rule.frozen))


def test_a_weight_that_jumps_to_and_fro_is_frozen_where_it_mostly_was(network, kernel):
    calm = np.array([[0.3, -0.2, 0.62], [0.1, 0.0, -0.41]], np.float32)
    kernel.assign(calm)
    rule = freezing(*low_bit_kernels(network)[0], threshold=0.1)
    for batch in range(40):
        jumping = calm.copy()
        jumping[0, 1] = -0.14 if batch % 4 == 0 else -0.16  # q: -1 seldom, -2 mostly
        kernel.assign(jumping)
        rule.hold()
    kernel.assign(calm + 0.2)
    rule.hold()

    wanted = calm + 0.2
    wanted[0, 1] = -0.2
    np.testing.assert_allclose(kernel, wanted, atol=1e-6)
    assert frozen_share(rule) == pytest.approx(1 / 6)


def test_weights_that_move_steadily_or_within_a_bin_are_free(network, kernel):
    rule = freezing(*low_bit_kernels(network)[0], threshold=0.02)
    start = kernel.numpy()
    for batch in range(40):
        kernel.assign(start - 0.02 * batch)
        rule.hold()

    assert frozen_share(rule) == 0
    np.testing.assert_allclose(kernel, start - 0.02 * 39, atol=1e-6)


def test_rules_are_those_that_are_asked_for_of_narrow_layers_only(network, kernel):
    both = rules_of(network, QatParams(dampening=0.1, freeze_oscillating=0.1))

    assert rules_of(network, QatParams()) == []
    assert [type(rule) for rule in both] == [Dampen, Freeze]
    assert all(rule.kernel is kernel for rule in both)


def test_dampening_is_the_gradient_of_the_squared_distance_to_the_centres(network, kernel):
    values = np.array([[0.33, -0.29, 0.1], [0.06, 5.0, -5.0]], np.float32)
    kernel.assign(values)
    rule = Dampen(*low_bit_kernels(network)[0], 2.0)

    clipped = np.clip(values, -0.7, 0.7)
    distance = clipped - np.clip(np.rint(values / STEP), -7, 7) * STEP
    np.testing.assert_allclose(rule.pull(), 4 * distance * (np.abs(values) <= 0.7), atol=1e-5)

    for _ in range(50):
        kernel.assign(kernel - 0.1 * rule.pull())
    np.testing.assert_allclose(
        kernel, np.where(np.abs(values) <= 0.7, np.rint(values / STEP) * STEP, values), atol=1e-5
    )


@pytest.mark.slow
def test_the_optimizer_keeps_frozen_weights_on_their_grid_points(network, kernel):
    """Through the optimizer: gradients that push some weights to and fro over the border of a bin."""
    rules = rules_of(network, QatParams(freeze_oscillating=0.05))
    optimizer = QuantizationAware(keras.optimizers.SGD(1.0), keras.optimizers.SGD(0.0), rules)
    kernel.assign(np.full((2, 3), 0.26, np.float32))
    optimizer.build([kernel])
    apply = tf.function(lambda gradient: optimizer.apply_gradients([(gradient, kernel)]))

    for step in range(60):
        gradient = np.zeros((2, 3), np.float32)
        gradient[0] = 0.03 if step % 2 else -0.03  # 0.26 and 0.29 round to 3, so these stay
        gradient[1] = 0.03 if step % 2 == 0 else -0.03  # 0.23 rounds to 2
        apply(tf.constant(gradient))

    np.testing.assert_array_equal(rules[0].frozen, [[0, 0, 0], [1, 1, 1]])
    grid_points = kernel.numpy()[1] / STEP
    np.testing.assert_allclose(grid_points, np.rint(grid_points), atol=1e-5)
    np.testing.assert_allclose(kernel.numpy()[0], 0.26, atol=1e-5)
