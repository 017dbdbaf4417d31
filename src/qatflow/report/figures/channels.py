"""How the error of quantization is spread over the channels of each layer."""

from collections.abc import Sequence
from itertools import pairwise

from qatflow.report import wording
from qatflow.report.channels import ChannelNoise
from qatflow.report.figures import rows
from qatflow.report.figures.svg import Figure, add, hint, to_text

CLEAR = 0.3
"""Channels closer than so many dB to one drawn already are not drawn: a thousand marks on one line say no more."""


def channels(layers: Sequence[ChannelNoise]) -> Figure:
    """Draw a mark for the SQNR of each output channel, one row a layer."""
    worst = min(layers, key=lambda layer: min(layer.sqnr_db))
    lowest, highest = min(worst.sqnr_db), max(max(layer.sqnr_db) for layer in layers)
    title = f"Channel {worst.worst} of {worst.name} is the noisiest: {lowest:.1f} dB"
    alt = f"{title}. " + "; ".join(f"{layer.name}: {_spread(layer)}" for layer in layers) + "."
    axis = rows.Axis(min(0.0, lowest), max(highest, 1.0) * 1.05, "{:g}".format, "SQNR of an output channel (dB)")
    chart = rows.rows([layer.name for layer in layers], axis, alt, height=20)
    for layer, y in zip(layers, chart.y, strict=True):
        ordered = sorted(layer.sqnr_db)
        ends = chart.scale(ordered[0]), chart.scale(ordered[-1])
        line = add(chart.drawing, "line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="whisker")
        hint(line, f"{layer.name}: {_spread(layer)}")
        strokes = "".join(f"M{chart.scale(value):.1f} {y - 5:.1f}v10" for value in _distinct(ordered))
        add(chart.drawing, "path", d=strokes, class_="stroke")
    note = "Each mark is an output channel; far left ones lose most. Channels without an error are left out."
    return Figure(title, note, to_text(chart.drawing))


def _distinct(ordered: Sequence[float]) -> list[float]:
    return [ordered[0], *(after for before, after in pairwise(ordered) if int(after / CLEAR) > int(before / CLEAR))]


def _spread(layer: ChannelNoise) -> str:
    low, high = (f"{bound:.1f}".replace("-", wording.MINUS) for bound in (min(layer.sqnr_db), max(layer.sqnr_db)))
    return f"{len(layer.sqnr_db)} channels, {low} to {high} dB"
