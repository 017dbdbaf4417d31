"""Dense layers with a step for each output, at 8 bits, on the grid that TFLite's converter chooses itself.

The converter refuses per-channel fake-quants of dense kernels: it transposes the kernel, but not its quantized axis. A
float kernel it quantizes per channel, with the step that just reaches the largest weight. A kernel that already lies on
that grid is therefore given to it without a fake-quant, and comes out as it is.
"""

from typing import Any

import numpy as np

from qatflow.backend import keras
from qatflow.models.kernels import columns
from qatflow.quantization.fake_quant import Grids
from qatflow.quantization.grid import full_steps, levels, on_grid
from qatflow.quantization.plan import Plan

BITS = 8
"""The converter has no such way to 4 bits."""


def left_to_converter(model: keras.Model, plan: Plan, grids: Grids) -> frozenset[str]:
    """Return the names of dense layers of a flat model that have a step for each output."""
    return frozenset(name for name in plan.weights if _is_dense(model.get_layer(name)) and np.ndim(grids.steps[name]))


def without_left(model: keras.Model, plan: Plan, grids: Grids) -> Plan:
    """Return the plan of what the converter gets: without the fake-quants that it refuses."""
    left = left_to_converter(model, plan, grids)
    return Plan({name: bits for name, bits in plan.weights.items() if name not in left}, plan.outputs)


def as_converted(model: keras.Model, plan: Plan, grids: Grids) -> Grids:
    """Round dense kernels with a step for each output, in place, to the grid that the converter will choose.

    Weights beyond the range of their step are clipped first, so that where training or the least squared error clips,
    the step stays.

    Returns:
        The grids with these steps, (units,) float32.
    """
    steps = dict(grids.steps)
    for name in left_to_converter(model, plan, grids):
        layer, reach = model.get_layer(name), steps[name] * levels(BITS)
        kernel = np.clip(columns(layer), -reach, reach)
        steps[name] = full_steps(kernel, BITS)
        layer.kernel.assign(on_grid(kernel, steps[name], BITS))
    return Grids(steps, grids.ranges)


def _is_dense(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Dense)
