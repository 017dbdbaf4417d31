"""All layers of a flatbuffer in one picture: noise, noise by channel, size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qatflow.evaluation.layers import sqnr_db
from qatflow.report import wording
from qatflow.report.channels import columns, sqnr_by_channel
from qatflow.report.figures.sizes import LayerSize
from qatflow.tflite.inspect import LayerWeights
from qatflow.visualize import style
from qatflow.visualize.subject import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.0
TITLE = 80


def noise(subject: Subject) -> Figure | None:
    """Draw the signal-to-quantization-noise ratio of each layer's weights; None if no layer has an error."""
    found = [
        (layer.name, sqnr_db(original.values, layer.values - original.values)) for layer, original in _pairs(subject)
    ]
    rows = [(name, value) for name, value in found if value is not None]
    if not rows:
        return None
    figure, panel = _panel(len(rows))
    panel.barh(range(len(rows)), [value for _, value in rows], color=style.BLUE, height=0.7)
    style.name_rows(panel, [name for name, _ in rows])
    panel.set_xlabel("SQNR of the weights, in dB (6 dB are one bit)")
    worst, lowest = min(rows, key=lambda row: row[1])
    style.title(panel, f"{style.plain(worst)} loses most: {lowest:.1f} dB ({subject.name})", TITLE)
    return figure


def channels(subject: Subject) -> Figure | None:
    """Draw the noise of every output channel, a row a layer; None if no layer has an error."""
    found = [(layer.name, sqnr_by_channel(columns(layer), columns(original))) for layer, original in _pairs(subject)]
    rows = [(name, sqnr) for name, sqnr in found if np.isfinite(sqnr).any()]
    if not rows:
        return None
    figure, panel = _panel(len(rows))
    for place, (_, sqnr) in enumerate(rows):
        shown = sqnr[np.isfinite(sqnr)]
        panel.plot(shown, np.full(len(shown), place), "|", color=style.BLUE, markersize=8, markeredgewidth=0.9)
    style.name_rows(panel, [name for name, _ in rows])
    panel.set_xlabel("SQNR of an output channel, in dB (far left ones lose most)")
    name, sqnr = min(rows, key=lambda row: float(np.nanmin(row[1])))
    words = f"Channel {int(np.nanargmin(sqnr))} of {style.plain(name)} loses most: {np.nanmin(sqnr):.1f} dB"
    style.title(panel, f"{words} ({subject.name})", TITLE)
    return figure


def sizes(subject: Subject) -> Figure | None:
    """Draw the bytes of each layer's weights in the colour of their width; None without such layers."""
    rows = [LayerSize(layer.name, layer.dtype, layer.integers.size) for layer in subject.layers]
    if not rows:
        return None
    figure, panel = _panel(len(rows))
    for bits, colour in style.WIDTHS.items():
        chosen = [(place, row.size_bytes / 1000) for place, row in enumerate(rows) if row.bits == bits]
        if chosen:
            places, kilobytes = zip(*chosen, strict=True)
            panel.barh(places, kilobytes, color=colour, height=0.7, label=f"{bits} bit")
    style.name_rows(panel, [row.name for row in rows])
    panel.set_xlabel("weights as stored, in kB")
    panel.legend(fontsize=style.SMALL, frameon=False, loc="lower right")
    largest, total = max(rows, key=lambda row: row.size_bytes), sum(row.size_bytes for row in rows)
    share = wording.percent(largest.size_bytes / total)
    style.title(panel, f"{style.plain(largest.name)} holds {share} of {wording.size(total)} of weights", TITLE)
    return figure


def _panel(rows: int) -> tuple[Figure, Axes]:
    figure = style.new_figure(WIDTH, 1.3 + style.ROW * rows)
    return figure, figure.subplots()


def _pairs(subject: Subject) -> list[tuple[LayerWeights, LayerWeights]]:
    """Return each layer with the float model's, where both have one shape."""
    originals = subject.originals
    return [(layer, originals[place]) for place, layer in enumerate(subject.layers) if place in originals]
