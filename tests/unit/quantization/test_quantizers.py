import numpy as np
import pytest

from qatflow.backend import keras, tf
from qatflow.quantization.grid import affine, levels, mse_steps, on_grid
from qatflow.quantization.quantizers import RangeQuantizer, TiedQuantizer, TwoSteps, WeightQuantizer, lsq

KERNELS = {"conv1d": (3, 4, 5), "conv": (3, 3, 2, 5), "depthwise": (3, 3, 2, 3), "depthwise_1": (3, 3, 5, 1)}
KERNELS |= {"dense": (6, 5), "one_filter": (3, 3, 4, 1)}


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def built(quantizer):
    variables = quantizer.build(None, "kernel", keras.layers.Layer())
    return lambda x, training: quantizer(tf.constant(x), training, variables).numpy()


def channels_of(kind):
    shape = KERNELS[kind]
    return shape[2] * shape[3] if kind.startswith("depthwise") else shape[-1]


def test_lsq_gradients_are_the_formulas():
    values, step, top = 3 * normal(50, 4), np.array([0.3, 0.5, 0.7, 1.1], np.float32), np.float32(7)
    upstream = np.random.default_rng(1).normal(size=values.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        watched = (tf.constant(values), tf.constant(step))
        tape.watch(watched)
        loss = tf.reduce_sum(lsq(*watched, tf.constant(top)) * upstream)

    by_values, by_step = tape.gradient(loss, watched)

    v = values / step
    slope = np.where(np.abs(v) <= top, np.rint(v) - v, np.sign(v) * top)
    assert 0.02 < np.mean(np.abs(v) > top) < 0.5
    np.testing.assert_allclose(by_values, upstream * (np.abs(v) <= top), rtol=1e-6)
    np.testing.assert_allclose(by_step, (upstream * slope).sum(axis=0) / np.sqrt(50 * top), rtol=1e-4)


def test_lsq_with_one_step_scales_by_all_values():
    values = normal(6, 8)
    with tf.GradientTape() as tape:
        step = tf.Variable(0.2)
        loss = tf.reduce_sum(lsq(tf.constant(values), step, tf.constant(7.0)))

    v = values / np.float32(0.2)
    slope = np.where(np.abs(v) <= 7, np.rint(v) - v, np.sign(v) * 7)
    np.testing.assert_allclose(tape.gradient(loss, step), slope.sum() / np.sqrt(48 * 7), rtol=1e-4)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("kind", KERNELS)
def test_both_branches_give_the_grid_in_the_kernels_own_shape(kind, per_channel, bits):
    kernel = normal(*KERNELS[kind])
    columns = kernel.reshape(-1, channels_of(kind) if per_channel else 1)
    steps = mse_steps(columns, levels(bits))
    quantize = built(WeightQuantizer(bits, steps if per_channel else steps[0], learned=True))

    trained, deployed = quantize(kernel, True), quantize(kernel, False)

    assert trained.shape == deployed.shape == ((1, *kernel.shape) if kind == "conv1d" else kernel.shape)
    wanted = on_grid(columns, steps, bits)
    np.testing.assert_allclose(trained.reshape(columns.shape), wanted, atol=1e-5)
    np.testing.assert_allclose(deployed.reshape(columns.shape), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", KERNELS)
def test_steps_divide_the_kernel_channel_by_channel(kind):
    kernel, steps = tf.constant(normal(*KERNELS[kind])), np.arange(1, channels_of(kind) + 1, dtype=np.float32)
    quantizer = WeightQuantizer(8, steps, learned=False)
    built(quantizer)

    divided = (kernel / quantizer.step_of(kernel)).numpy()

    np.testing.assert_allclose(divided.reshape(-1, len(steps)), kernel.numpy().reshape(-1, len(steps)) / steps, 1e-5)


def test_present_steps_are_the_learned_ones():
    quantizer = WeightQuantizer(4, np.array([0.1, 0.2], np.float32), learned=True)
    built(quantizer)
    quantizer.variables["log_step"].assign_add([np.log(2.0), 0.0])

    np.testing.assert_allclose(quantizer.present_steps(), [0.2, 0.2], rtol=1e-6)
    assert quantizer.variables["top"].numpy() == levels(4)


@pytest.mark.parametrize("learned", [True, False])
def test_only_learned_grids_are_trained(learned):
    layer = keras.layers.Layer()
    WeightQuantizer(8, np.float32(0.1), learned=learned).build(None, "kernel", layer)
    RangeQuantizer(-1, 2, learned=learned).build(None, "output", layer)

    assert [variable.name for variable in layer.trainable_weights] == (
        ["kernel_log_step:0", "output_log_low:0", "output_log_high:0"] if learned else []
    )


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.0, 3.0), (-2.0, 0.0)])
def test_activations_lie_on_256_points_of_their_range_in_both_branches(low, high):
    quantizer = RangeQuantizer(low, high, learned=True)
    quantize, values = built(quantizer), 3 * normal(500)

    np.testing.assert_array_equal(quantize(values, True), quantize(values, False))
    np.testing.assert_allclose(quantize(values, False), affine(values, low, high), atol=(high - low) / 255 * 1.01)
    assert len(np.unique(quantize(values, False))) <= 256
    assert quantizer.present_range() == pytest.approx((low, high))
    assert len(quantizer.variables) == (low != 0) + (high != 0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-1.3, 2.0)])
def test_a_range_that_is_not_learned_passes_the_gradient_of_tensorflows_operator(low, high):
    quantizer = RangeQuantizer(low, high, learned=False)
    variables = quantizer.build(None, "output", keras.layers.Layer())
    x, upstream = tf.constant(np.linspace(-3, 3, 301, dtype=np.float32)), tf.random.normal((301,), seed=1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours, theirs = quantizer(x, True, variables), tf.quantization.fake_quant_with_min_max_vars(x, low, high)

    np.testing.assert_array_equal(tape.gradient(ours, x, upstream), tape.gradient(theirs, x, upstream))


def test_clipped_activations_move_the_bound_that_clipped_them():
    quantizer = RangeQuantizer(-1.0, 2.0, learned=True)
    variables = quantizer.build(None, "output", keras.layers.Layer())
    with tf.GradientTape() as tape:
        x = tf.constant([-5.0, 0.5, 1.0, 9.0, 9.0])
        tape.watch(x)
        loss = tf.reduce_sum(quantizer(x, True, variables))

    by_x, by_low, by_high = tape.gradient(loss, [x, variables["low"], variables["high"]])

    np.testing.assert_array_equal(by_x, [0, 1, 1, 0, 0])
    assert float(by_low) == pytest.approx(-1.0)  # one value, d(-exp(log_low))
    assert float(by_high) == pytest.approx(4.0)  # two values, each high = 2


def test_fractions_round_twice_as_the_device_does():
    twice = TwoSteps(np.array([2.0, 256.0], np.float32), away=False)
    quantize = built(RangeQuantizer(0.0, 255.0, learned=False, rounding=twice))
    values = np.array([[0.45, 0.45], [3.2, 3.2], [3.8, 3.8]], np.float32)

    np.testing.assert_allclose(quantize(values, False), [[1, 0], [3, 3], [4, 4]], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("away", "expected"), [(False, [-2, 3]), (True, [-3, 3])])
def test_halves_go_up_or_away_from_zero(away, expected):
    twice = TwoSteps(np.float32(4), away=away)
    quantize = built(RangeQuantizer(-100.0, 155.0, learned=False, rounding=twice))

    np.testing.assert_allclose(quantize(np.array([-2.45, 2.55], np.float32), False), expected, rtol=1e-5)


def test_average_pooling_on_the_device_takes_halves_of_q_away_from_zero():
    origin = RangeQuantizer(0.0, 255.0, learned=False)  # zero point -128: 100.5 is q = -27.5, 200.5 is q = 72.5
    built(origin)
    halves = tf.constant([100.5, 200.5, 7.25])

    found = TiedQuantizer(origin, as_device=True)(halves, False, origin.variables).numpy()

    np.testing.assert_allclose(found, [100, 201, 7], rtol=1e-6)


def test_a_tied_quantizer_is_its_origin_wherever_that_goes():
    origin = RangeQuantizer(0.0, 2.0, learned=True)
    quantize = built(origin)
    tied = TiedQuantizer(TiedQuantizer(origin))
    layer = keras.layers.Layer()
    variables = tied.build(None, "output", layer)
    origin.variables["high"].assign(np.log(4.0))

    assert variables is origin.variables
    assert not layer.weights
    np.testing.assert_array_equal(tied(tf.constant(normal(50)), False, variables), quantize(normal(50), False))
