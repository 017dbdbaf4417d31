import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qatflow.backend import tf
from qatflow.quantization.grid import (
    DEAD,
    SHRINKS,
    affine,
    full_steps,
    levels,
    mse_range,
    mse_steps,
    on_grid,
    short,
    short_range,
)

kernels = arrays(np.float32, (12, 3), elements=st.floats(-8, 8, width=32))
bits = st.sampled_from([4, 8])


def squared_error(values, step, width):
    return np.square(on_grid(values, step, width) - values).sum(axis=0)


def test_levels_of_the_two_widths():
    assert (levels(4), levels(8)) == (7, 127)


@given(kernels, bits)
def test_full_steps_reach_each_columns_largest_magnitude_and_keep_zero(values, width):
    steps = full_steps(values, width)
    rounded = on_grid(values, steps, width)

    assert steps.shape == (3,)
    np.testing.assert_allclose(np.abs(rounded).max(axis=0), np.abs(values).max(axis=0), rtol=1e-5, atol=1e-6)
    assert (np.abs(rounded - values) <= steps * 0.501).all()
    assert (rounded[values == 0] == 0).all()


@given(kernels, bits)
def test_what_lies_on_a_grid_stays_there(values, width):
    steps = mse_steps(values, levels(width))
    once = on_grid(values, steps, width)

    np.testing.assert_array_equal(on_grid(once, steps, width), once)


@given(kernels, bits)
def test_mse_steps_err_no_more_than_any_share_of_the_full_range(values, width):
    full = full_steps(values, width)
    least = np.min([squared_error(values, full * share, width) for share in SHRINKS], axis=0)

    np.testing.assert_allclose(
        squared_error(values, mse_steps(values, levels(width)), width), least, rtol=1e-3, atol=1e-9
    )


def test_an_outlier_is_clipped_at_4_bits():
    values = np.append(np.random.default_rng(0).normal(size=400), 8.0)[:, None]

    step = mse_steps(values, levels(4))

    assert step < 0.8 * full_steps(values, 4)
    assert squared_error(values, step, 4) < 0.8 * squared_error(values, full_steps(values, 4), 4)


@pytest.mark.parametrize("width", [4, 8])
def test_a_column_of_zeros_has_a_step_and_stays_zero(width):
    values = np.zeros((5, 1), np.float32)

    assert full_steps(values, width) == np.float32(DEAD)
    assert DEAD / 10 < mse_steps(values, levels(width)) <= DEAD
    assert not on_grid(values, mse_steps(values, levels(width)), width).any()


@given(st.floats(-5, 0), st.floats(0.1, 9))
def test_affine_is_the_grid_of_tensorflows_operator(low, high):
    values = np.random.default_rng(0).uniform(1.5 * low - 1, 1.5 * high, 200).astype(np.float32)
    step = (high - low) / 255
    assume(abs(-low / step % 1 - 0.5) > 1e-3)  # a zero point between two integers goes to either, by float32's error

    wanted = tf.quantization.fake_quant_with_min_max_vars(values, low, high).numpy()

    found = affine(values, low, high)
    assert np.mean(np.abs(found - wanted) > 0.01 * step) < 0.02  # but for ties, which round otherwise
    assert affine(np.zeros(1), low, high) == 0


def test_affine_of_fewer_bits():
    assert len(np.unique(affine(np.linspace(-1, 1, 500), -1.0, 1.0, bits=4))) == 16


def test_mse_range_cuts_an_outlier_and_nothing_from_uniform_values():
    uniform = np.linspace(-1, 3, 4001)

    assert mse_range(uniform, -1.0, 3.0) == pytest.approx((-1, 3), rel=0.02)
    low, high = mse_range(np.append(np.tile(uniform, 5), 30.0), -1.0, 30.0)
    assert -1 <= low <= 0
    assert 3 <= high < 30


def test_short_steps_have_eight_bits_and_are_near():
    steps = np.random.default_rng(0).uniform(1e-6, 3.0, 1000).astype(np.float32)
    found = short(steps)

    assert np.abs(found / steps - 1).max() <= 2.0**-8
    mantissas = np.frexp(found)[0] * 256
    assert np.array_equal(mantissas, np.rint(mantissas))
    assert not np.any(found.view(np.uint32) & 0xFFFF)
    assert np.array_equal(short(found), found)


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.1), (-1.37, 2.9), (-0.003, 11.0), (-5.0, 0.0)])
def test_short_ranges_have_ends_on_a_short_grid_and_are_near(low, high):
    found = short_range(low, high)
    step = np.float32(np.float32(found[1]) - np.float32(found[0])) / np.float32(255)

    assert step == short(step)
    assert step == pytest.approx((high - low) / 255, rel=2.0**-8)
    assert -found[0] / step == round(-found[0] / step)
    assert found == pytest.approx((low, high), rel=2.0**-8, abs=float(step))
