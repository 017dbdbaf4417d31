import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.quantization.fake_quant import Grids, build
from qatflow.quantization.oscillation import FreezeOscillating, callbacks_of, dampening, low_bit_kernels
from qatflow.quantization.plan import Plan

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


def test_a_weight_that_jumps_to_and_fro_is_frozen_where_it_mostly_was(network, kernel):
    calm = np.array([[0.3, -0.2, 0.62], [0.1, 0.0, -0.41]], np.float32)
    kernel.assign(calm)
    freeze = FreezeOscillating(network, threshold=0.1)
    for batch in range(40):
        jumping = calm.copy()
        jumping[0, 1] = -0.14 if batch % 4 == 0 else -0.16  # q: -1 seldom, -2 mostly
        kernel.assign(jumping)
        freeze.on_train_batch_end(batch)
    kernel.assign(calm + 0.2)
    freeze.on_train_batch_end(40)

    wanted = calm + 0.2
    wanted[0, 1] = -0.2
    np.testing.assert_allclose(kernel, wanted, atol=1e-6)
    assert freeze.frozen_shares() == pytest.approx([1 / 6])


def test_weights_that_move_steadily_or_within_a_bin_are_free(network, kernel):
    freeze = FreezeOscillating(network, threshold=0.02)
    start = kernel.numpy()
    for batch in range(40):
        kernel.assign(start - 0.02 * batch)
        freeze.on_train_batch_end(batch)

    assert freeze.frozen_shares() == [0]
    np.testing.assert_allclose(kernel, start - 0.02 * 39, atol=1e-6)


def test_no_threshold_no_callback(network):
    assert callbacks_of(network, 0.0) == []
    assert len(callbacks_of(network, 0.1)) == 1


def test_dampening_is_the_squared_distance_to_the_centres_and_pulls_there(network, kernel):
    values = np.array([[0.33, -0.29, 0.1], [0.06, 5.0, -5.0]], np.float32)
    kernel.assign(values)
    penalty = dampening(network, 2.0)
    with tf.GradientTape() as tape:
        loss = penalty()

    clipped = np.clip(values, -0.7, 0.7)
    distance = clipped - np.clip(np.rint(values / STEP), -7, 7) * STEP
    assert float(loss) == pytest.approx(2 * np.square(distance).sum(), rel=1e-4)
    gradient = tape.gradient(loss, kernel).numpy()
    np.testing.assert_allclose(gradient, 4 * distance * (np.abs(values) <= 0.7), atol=1e-5)
    kernel.assign(values - 0.1 * gradient)
    assert float(penalty()) < 0.5 * float(loss)


def test_dampening_without_narrow_layers_is_nothing(sequence):
    network = build(sequence((2,), layers.Dense(3, name="d")), Plan({"d": 8}, {}), Grids({"d": np.float32(0.1)}, {}))

    assert dampening(network, 1.0)() == 0
