"""Cuts the ranges of tensors inside a network that rare values stretch, one after another, as the answers say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.models.rebuild import Part, copied, rebuild
from qatflow.quantization.base import Work
from qatflow.quantization.calibration import Observed, observe, ranges_of
from qatflow.quantization.canonical import INPUT_GRID
from qatflow.quantization.cuts import FEW_LEVELS, Range, answer_distance, closest, halvings, levels_of_usual
from qatflow.quantization.reach import Reach, answers, few_levels

SUSPECT = 2 * FEW_LEVELS
"""Usual values with fewer levels make a tensor worth trying other ranges."""
MOST = 8
"""So many tensors are tried at most, those with fewest levels: each costs some passes of the calibration samples."""

MOST_HALVINGS = 10
"""XNNPACK refuses operators whose accumulator has a step of 256 output steps or more; a wide range leaves some 1/64."""


def calibrated(model: keras.Model, names: Sequence[str], work: Work, method: str) -> tuple[dict[str, Range], Reach]:
    """Return the range of each layer's output by a method of `calibration.METHODS`, cut where answers say so.

    Args:
        model: Flat float model.
        names: Layers whose outputs have a range of their own.
        work: Gives calibration samples; what was found of the input stays as it is.
        method: See there.

    Returns:
        The ranges, and the work's reach with notes on them.

    Raises:
        ModelError: If an output is NaN or infinite; the message names the layer.
        ParamsError: If there is no such method.
    """
    x = work.calibration()
    observed = observe(model, names, x)
    found = ranges_of(observed, method)
    inside = {name: span for name, span in found.items() if name != INPUT_GRID}
    cut, notes = cut_spikes(model, inside, observed, x, work.data.task)
    inner = {name: span for name, span in cut.items() if span != found[name]}
    return found | cut, replace(work.reach, inner=inner, notes=(*work.reach.notes, *notes))


def cut_spikes(
    model: keras.Model, ranges: Mapping[str, Range], observed: Mapping[str, Observed], x: Array, task: str
) -> tuple[dict[str, Range], tuple[str, ...]]:
    """Return the ranges, narrower where that brings answers closer to the float model's, and a note on each such.

    Args:
        model: Flat float model.
        ranges: Layer -> range of its output, 8 bits.
        observed: What these outputs hold.
        x: Calibration samples (n, *shape) float32.
        task: Of the data.
    """
    levels = {name: levels_of_usual(observed[name].values, span) for name, span in ranges.items()}
    suspects = sorted((name for name in ranges if levels[name] < SUSPECT), key=lambda name: levels[name])[:MOST]
    found, notes = dict(ranges), []
    if suspects:
        grids = {name: _OnGrid(name=f"{name}_on_grid") for name in suspects}
        network = rebuild(model, lambda layer: [copied(layer), *_part(grids.get(layer.name))])
        reference = answers(model, x)
        for layer in (layer for layer in model.layers if layer.name in grids):
            name, grid = layer.name, grids[layer.name]

            def distance(span: Range, grid: Any = grid) -> float:
                grid.span.assign(span)
                return answer_distance(task, reference, answers(network, x))

            cuts = halvings(observed[name].values, ranges[name])[:MOST_HALVINGS]
            found[name], before, after = closest(ranges[name], cuts, distance)
            grid.span.assign(found[name])
            notes += [_note(name, found[name], ranges[name], before, after)] if found[name] != ranges[name] else []
    few = [name for name in suspects if levels_of_usual(observed[name].values, found[name]) < FEW_LEVELS]
    return found, (*notes, *(few_levels(f"output of '{name}'", observed[name].values, found[name]) for name in few))


def _part(grid: Any) -> list[Part]:
    return [] if grid is None else [Part(grid, [np.zeros(2, np.float32)])]


def _note(name: str, span: Range, whole: Range, before: float, after: float) -> str:
    low, high = span
    return (
        f"output of '{name}': its range is cut to {low:.4g} to {high:.4g}, from {whole[0]:.4g} to {whole[1]:.4g}, for "
        f"rare values: the answers come from {before:.3f} to {after:.3f} of the float model's"
    )


class _OnGrid(keras.layers.Layer):
    """Puts values on the 8-bit grid of `span`, (2,) float32; leaves them alone while it is empty."""

    def build(self, shape: Any) -> None:
        self.span = self.add_weight("span", (2,), initializer="zeros", trainable=False)
        super().build(shape)

    def call(self, values: Any) -> Any:
        low, high = self.span[0], self.span[1]
        on = tf.quantization.fake_quant_with_min_max_vars(values, low, high)
        return tf.where(high > low, on, values)
