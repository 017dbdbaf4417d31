"""What each layer costs when it alone gets fewer bits."""

from collections.abc import Mapping, Sequence
from typing import Any

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, hint, text, to_text


def sensitivity(layers: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the added distance from the float model, one row a `quantization.sensitivity.LayerSensitivity`."""
    worst = max(layers, key=lambda layer: layer["loss"])
    title = f"{worst['layer']} bears {worst['bits']} bits worst"
    losses = [layer["loss"] for layer in layers]
    axis = rows.Axis(
        min(0.0, *losses), max(0.0, *losses) * 1.02 or 1.0, wording.number, "added distance from the float model"
    )
    told = "; ".join(f"{layer['layer']}: {wording.number(float(layer['loss']))}" for layer in layers)
    names = [layer["layer"] for layer in layers]
    chart = rows.rows(names, axis, f"{title}. {told}.", height=20, room_right=9 * CHARACTER)
    zero = chart.scale(0)
    for layer, y in zip(layers, chart.y, strict=True):
        end = chart.scale(layer["loss"])
        bar = add(chart.drawing, "rect", x=min(zero, end), y=y - 5, width=abs(end - zero), height=10, class_="bar")
        hint(bar, f"{layer['layer']}: saves {wording.size(layer['bytes_saved'])}")
        text(chart.drawing, wording.number(float(layer["loss"])), (max(zero, end) + 5, y + 4), "tick")
    note = (
        "Mean KL divergence in nats for classification, else noise over signal, when this layer alone has that width."
    )
    return Figure(title, note, to_text(chart.drawing))
