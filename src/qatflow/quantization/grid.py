"""The grids that TFLite stores: symmetric, narrow-range weights and affine 8-bit activations. NumPy only.

A weight is q * step with q from -levels(bits) to levels(bits), so that 0 and both ends are exact.
"""

import numpy as np

from qatflow.artifacts import Array

WIDTHS = (4, 8)
"""Weight bits whose grid survives conversion; TFLite stores 3-bit weights as int4 and 6-bit ones as int8, rescaled."""
FLOAT = 32
"""Stands for weights that stay as they are."""
TINY = 1e-8
"""The least step; all weights of a channel below it are taken as zeros."""
DEAD = 1e-3
"""The step of a channel of zeros: so large that its bias fits into 32 bits of input scale * step."""
SHORT_BITS = 8
"""Significant bits of short steps, as many as those of bfloat16: a relative error of 1/256 at most."""
SHRINKS = np.linspace(0.2, 1.0, 81)
"""Shares of the full range that the search for the least squared error tries."""


def levels(bits: int) -> int:
    """Return the highest q of a weight, 2^(bits - 1) - 1."""
    return int(2 ** (bits - 1) - 1)


def on_grid(values: Array, step: Array, bits: int) -> Array:
    """Return `values` (n, c) rounded to the nearest point of each column's grid; `step` is (c,) or ()."""
    return _rounded(values, step, levels(bits))


def _rounded(values: Array, step: Array, top: int) -> Array:
    return np.asarray(np.clip(np.rint(values / step), -top, top) * step, np.float32)


def full_steps(values: Array, bits: int) -> Array:
    """Return the step of each column of (n, c) that just reaches its largest magnitude, (c,) float32."""
    return _reaching(values, levels(bits))


def _reaching(values: Array, top: int) -> Array:
    return alive(np.abs(values).max(axis=0) / top)


def alive(steps: Array) -> Array:
    """Return steps, float32, with `DEAD` for those of channels of zeros: the grid of the bias is a multiple of it."""
    return np.asarray(np.where(steps > TINY, steps, DEAD), np.float32)


def short(steps: Array) -> Array:
    """Return steps rounded to `SHORT_BITS` significant bits, float32: half of their bytes are zeros then."""
    mantissas, exponents = np.frexp(steps)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissas, SHORT_BITS)), exponents - SHORT_BITS), np.float32)


def short_range(low: float, high: float, bits: int = 8) -> tuple[float, float]:
    """Return the range nearest to [low, high], with low <= 0 <= high, whose step is short and whose ends lie on it."""
    top = 2**bits - 1
    step = float(short(np.array((high - low) / top, np.float32)))
    zero = float(np.clip(np.rint(-low / step), 0, top))
    return 0.0 - zero * step, (top - zero) * step


def mse_steps(values: Array, top: int) -> Array:
    """Return the step of each column of (n, c) with the least squared rounding and clipping error, (c,) float32.

    The grids go from -top to top.
    """
    full = _reaching(values, top)
    errors = [np.square(_rounded(values, full * share, top) - values).sum(axis=0) for share in SHRINKS]
    return np.asarray(full * SHRINKS[np.argmin(errors, axis=0)], np.float32)


def affine(values: Array, low: float, high: float, bits: int = 8) -> Array:
    """Return `values` rounded to 2^bits points from `low` to `high`, with the zero point moved to an integer."""
    top = 2**bits - 1
    scale = (high - low) / top
    zero = np.clip(np.rint(-low / scale), 0, top)
    return np.asarray((np.clip(np.rint(values / scale + zero), 0, top) - zero) * scale)


def mse_range(values: Array, low: float, high: float) -> tuple[float, float]:
    """Return the part of [low, high] whose 8-bit grid has the least squared error on `values` (n,)."""
    errors = [np.square(affine(values, low * share, high * share) - values).sum() for share in SHRINKS]
    share = float(SHRINKS[int(np.argmin(errors))])
    return low * share, high * share
