"""One layer's weights before and after: a histogram on the grid they are stored on, and the kernel as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.report import wording
from qatflow.report.channels import columns
from qatflow.tflite.inspect import LayerWeights
from qatflow.visualize import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FINE = 8
"""Bins of the float weights in one step."""
MOST_LINES = 40
"""More grid lines than these are a grey field: then every so many are drawn that no more remain."""
MOST_CELLS = 256
"""A heat map shows at most so many weights of a channel, and channels."""


def draw(layer: LayerWeights, original: LayerWeights | None) -> Figure:
    """Draw a layer's weights; `original` are the float model's, of the same shape, if they are at hand."""
    panels = 2 + (original is not None)
    figure = style.new_figure(5.2 * panels, 4.4)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    step = steps(layer)
    stored = columns(layer) / step
    before = None if original is None else columns(original) / step
    _histogram(axes[0], stored, before, quantized=_is_quantized(layer))
    style.title(axes[0], _finding(layer, stored), 52)
    _heat_map(axes[1], stored, f"{style.plain(layer.name)} as stored", "weight, in steps")
    if before is not None:
        far = float(np.mean(np.abs(stored - before) > 0.5))
        words = f"{wording.percent(far)} lie more than half a step from the float model's"
        _heat_map(axes[2], stored - before, words, "difference from float, in steps")
    return figure


def steps(layer: LayerWeights) -> npt.NDArray[np.float64]:
    """Return the step of each output channel, (c,): value over integer. 1 for channels of zeros and for floats."""
    values, q = columns(layer).astype(np.float64), columns(_with(layer, layer.integers)).astype(np.float64)
    place = np.abs(q).argmax(axis=0), np.arange(q.shape[1])
    return np.asarray(np.divide(values[place], q[place], out=np.ones(q.shape[1]), where=q[place] != 0))


def _with(layer: LayerWeights, values: Array) -> LayerWeights:
    return LayerWeights(layer.name, layer.operator, layer.dtype, values, layer.integers)


def _is_quantized(layer: LayerWeights) -> bool:
    return layer.dtype.startswith(("INT", "UINT"))


def _histogram(panel: Axes, stored: Array, before: Array | None, *, quantized: bool) -> None:
    if not quantized:
        panel.hist(stored.ravel(), 60, color=style.BLUE)
        panel.set_xlabel("weight")
        panel.set_ylabel("number of weights")
        return
    levels, counts = np.unique(np.rint(stored).astype(int), return_counts=True)
    total = stored.size
    _grid_lines(panel, int(levels[0]), int(levels[-1]))
    panel.bar(levels, counts / total, width=0.8, color=style.BLUE, label="as stored", zorder=2)
    if before is not None:
        edges = np.arange(np.floor(before.min()) - 0.5, np.ceil(before.max()) + 0.5 + 1 / FINE, 1 / FINE)
        shares = np.histogram(before, edges)[0] * FINE / total
        panel.stairs(shares, edges, color=style.ORANGE, linewidth=1.0, label="float, density", zorder=3)
    style.whole_ticks(panel)
    panel.set_xlabel("weight, in steps of its channel's grid")
    panel.set_ylabel("share of weights in a step")
    panel.legend(fontsize=style.SMALL, frameon=False)


def _grid_lines(panel: Axes, low: int, high: int) -> None:
    every = -(-(high - low + 1) // MOST_LINES)
    for level in range(low, high + 1, every):
        panel.axvline(level, color=style.LIGHT, linewidth=0.5, zorder=1)


def _heat_map(panel: Axes, values: Array, words: str, unit: str) -> None:
    shown = values[:MOST_CELLS, :MOST_CELLS]
    most = float(np.abs(shown).max()) or 1.0
    image = panel.imshow(shown, cmap=style.DIVERGING, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    cut = shown.shape != values.shape
    style.title(panel, f"{words}{f', the first {MOST_CELLS} of each' if cut else ''}", 46)
    style.whole_ticks(panel)
    panel.set_xlabel("output channel")
    panel.set_ylabel("weight of the channel")
    bar = panel.get_figure(root=True).colorbar(image, ax=panel, shrink=0.85)  # type: ignore[union-attr]
    bar.set_label(unit)


def _finding(layer: LayerWeights, stored: Array) -> str:
    name, size = style.plain(layer.name), f"{stored.size:,} weights"
    if not _is_quantized(layer):
        return f"{name} stays {layer.dtype}: {size}"
    q = np.rint(stored)
    zero, ends = np.mean(q == 0), np.mean(np.abs(q) == np.abs(q).max())
    return (
        f"{name}: {wording.percent(float(zero))} of {size} are stored as 0, "
        f"{wording.percent(float(ends))} at the ends of the {layer.dtype} grid"
    )
