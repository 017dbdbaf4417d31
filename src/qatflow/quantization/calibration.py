"""Measures on real batches what ranges quantizers start from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError, ParamsError, lookup
from qatflow.quantization.grid import mse_range

BATCH_SIZE = 64
KEPT = 1 << 18
"""Values of one tensor that are kept for percentiles and errors."""
PERCENTILE = 0.01
"""Share of values, in percent, that the percentile method cuts off at each end."""
LEAST = 1e-3
"""The least width of a range: a constant tensor still has a grid."""

Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Observed:
    """What a tensor held: all values' extremes, and evenly spaced values, (n,) float32."""

    low: float
    high: float
    values: Array


def min_max(observed: Observed) -> Range:
    """Return the extremes."""
    return observed.low, observed.high


def percentile(observed: Observed) -> Range:
    """Return the extremes without the outermost 0.01 % at each end."""
    low, high = np.percentile(observed.values, (PERCENTILE, 100 - PERCENTILE))
    return float(low), float(high)


def mse(observed: Observed) -> Range:
    """Return the part of the range with the least squared quantization error."""
    return mse_range(observed.values, *_usable(observed.low, observed.high))


METHODS: Mapping[str, Callable[[Observed], Range]] = {"min_max": min_max, "mse": mse, "percentile": percentile}


def observe(model: keras.Model, names: Sequence[str], samples: Array) -> dict[str, Observed]:
    """Return what the outputs of the layers `names` hold for samples (n, *shape) float32."""
    if not names:
        return {}
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    parts: dict[str, list[Observed]] = {name: [] for name in names}
    for start in range(0, len(samples), BATCH_SIZE):
        outputs = probe(samples[start : start + BATCH_SIZE], training=False)
        for name, output in zip(names, outputs if len(names) > 1 else [outputs], strict=True):
            parts[name].append(_part(output.numpy(), len(samples)))
    return {name: _joined(found) for name, found in parts.items()}


def ranges(model: keras.Model, names: Sequence[str], samples: Array, method: str) -> dict[str, Range]:
    """Return the range of each layer's output: it holds 0 and is not empty.

    Raises:
        ModelError: If an output is NaN or infinite; the message names the layer.
        ParamsError: If there is no such method, or no sample.
    """
    if not len(samples):
        raise ParamsError("Calibration needs at least one sample")
    return ranges_of(observe(model, names, samples), method)


def ranges_of(observed: Mapping[str, Observed], method: str) -> dict[str, Range]:
    """Return the range of each output that was observed; see `ranges`."""
    choose = lookup("calibration method", method, METHODS)
    for name, found in observed.items():
        if not np.isfinite((found.low, found.high)).all():
            raise ModelError(f"outputs of layer '{name}' are not finite on the calibration samples")
    return {name: _usable(*choose(found)) for name, found in observed.items()}


def _usable(low: float, high: float) -> Range:
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high - low >= LEAST else (low, low + LEAST)


def _part(output: Array, samples: int) -> Observed:
    values = output.ravel()
    kept = max(1, KEPT * len(output) // samples)
    return Observed(
        float(values.min()), float(values.max()), values[:: values.size // kept | 1]
    )  # odd, so that no channel is skipped


def _joined(parts: Sequence[Observed]) -> Observed:
    values = np.concatenate([part.values for part in parts])
    return Observed(min(part.low for part in parts), max(part.high for part in parts), values)
