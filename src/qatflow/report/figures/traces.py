"""What a quantization-aware training did to grids and stored integers; values as `quantization.trace` records them."""

from collections.abc import Mapping
from typing import Any

from qatflow.report import wording
from qatflow.report.figures.lines import Frame, Line, lines
from qatflow.report.figures.svg import Figure, to_text

Layers = Mapping[str, Mapping[str, Any]]
STILL = 0.001
"""Grids that change by a smaller share stayed as they were."""
LOW_BITS = 4


def ranges(name: str, layers: Layers) -> Figure | None:
    """Draw how wide each activation range is, as a share of the calibrated one; None if none moved."""
    widths = {
        layer: [high - low for low, high in zip(found["low"], found["high"], strict=True)]
        for layer, found in layers.items()
        if "low" in found
    }
    return _relative(name, widths, "range", "width of the activation range (share of the calibrated one)")


def steps(name: str, layers: Layers) -> Figure | None:
    """Draw the mean step of each layer's weights, as a share of the first; None if none moved."""
    found = {layer: found["step"] for layer, found in layers.items() if "step" in found}
    return _relative(name, found, "step", "step of the weights (share of the initial one)")


def oscillation(name: str, layers: Layers, key: str) -> Figure | None:
    """Draw the share of low-bit weights whose integer `moved`, or `turned`, by epoch; None without such a layer."""
    words = {"moved": "changed", "turned": "turned back"}[key]
    found = {
        layer: values[key] for layer, values in layers.items() if values.get("bits", 32) <= LOW_BITS and values[key]
    }
    if not found:
        return None
    order = sorted(found, key=lambda layer: -found[layer][-1])
    last = found[order[0]][-1]
    title = f"{name}: {wording.percent(last)} of {order[0]}'s weights {words} in the last epoch"
    frame = Frame(f"share of weights whose integer {words}", wording.round_percent)
    drawing = lines([Line(layer, found[layer]) for layer in order], frame, f"{title}. {_each(found)}.")
    return Figure(title, "Of weights with 4 bits; most restless layer first. Keys hide lines.", to_text(drawing))


def _relative(name: str, values: Mapping[str, list[float]], what: str, axis: str) -> Figure | None:
    shares = {layer: [value / found[0] for value in found] for layer, found in values.items() if found and found[0]}
    order = sorted(shares, key=lambda layer: -_travel(shares[layer]))
    if not order or _travel(shares[order[0]]) < STILL:
        return None
    first = order[0]
    change = wording.signed(100 * (shares[first][-1] - 1), 1)
    title = f"{name}: the {what} of {first} moved most, {change}{wording.SPACE}% in the end"
    drawing = lines(
        [Line(layer, shares[layer]) for layer in order],
        Frame(axis, wording.round_percent, first=0),
        f"{title}. {_each(shares)}.",
    )
    return Figure(title, "Epoch 0 is the start. Keys hide lines.", to_text(drawing))


def _travel(shares: list[float]) -> float:
    return max(shares) - min(shares)


def _each(values: Mapping[str, list[float]]) -> str:
    return "; ".join(f"{layer}: {wording.percent(found[-1])} in the end" for layer, found in values.items())
