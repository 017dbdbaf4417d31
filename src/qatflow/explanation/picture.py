"""Draws an explained prediction as a PNG with matplotlib, without pyplot: no window system, no state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.explanation.players import Players
from qatflow.explanation.single import Record, Single, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "RdBu"
"""Red is against, blue for: told apart with every common colour-blindness."""
BLUE, RED, GREY = "#2166ac", "#b2182b", "#555555"
MOST_BARS = 12
DPI = 150


def draw(single: Single) -> bytes:
    """Return a PNG: the sample, and for each explained output who speaks for and against it."""
    from matplotlib.figure import Figure  # half a second, which only this needs

    outputs, kind = single.record["outputs"], single.field.players.kind
    figure = Figure(figsize=(4.2 * len(outputs) + (0 if kind == "features" else 3.4), 4.4), layout="constrained")
    panels = figure.subplots(1, len(outputs) + (kind != "features"), squeeze=False)[0]
    if kind != "features":
        _draw_sample(panels[0], single)
    most = max(max(map(abs, output["values"])) for output in outputs) or 1.0
    painter = {"features": _draw_bars, "windows": _draw_windows, "patches": _draw_patches}[kind]
    for panel, output in zip(panels[-len(outputs) :], outputs, strict=True):
        painter(panel, single, output, most)
        panel.set_title(_title(single, output), fontsize=10, wrap=True)
    if kind != "features":
        _scale(figure, panels[1:], most)
    figure.suptitle(_plain(title(single.record)), fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def _draw_sample(panel: Axes, single: Single) -> None:
    panel.set_title("the sample", fontsize=10)
    if single.field.players.kind == "windows":
        _draw_lines(panel, single.x)
        return
    _show(panel, single.x)


def _draw_patches(panel: Axes, single: Single, output: Record, most: float) -> None:
    """The sample shines through, so that one sees what a patch holds."""
    values = np.array(output["values"])[_plane(single.field.players)]
    panel.imshow(values, cmap=COLOURS, vmin=-most, vmax=most, interpolation="nearest")
    panel.imshow(single.x.mean(axis=2), cmap="gray_r", alpha=0.15)
    _name_pixels(panel)


def _draw_windows(panel: Axes, single: Single, output: Record, most: float) -> None:
    from matplotlib import colormaps

    owner = _plane(single.field.players)
    for number, value in enumerate(output["values"]):
        steps = np.flatnonzero(owner == number)
        colour = colormaps[COLOURS](0.5 + value / most / 2)
        panel.axvspan(float(steps[0]) - 0.5, float(steps[-1]) + 0.5, color=colour, alpha=0.7, linewidth=0)
    _draw_lines(panel, single.x)


def _draw_bars(panel: Axes, single: Single, output: Record, most: float) -> None:
    values = np.array(output["values"])
    order = np.argsort(-np.abs(values), kind="stable")[:MOST_BARS][::-1]
    names = [f"{_plain(single.field.players.names[i])} = {single.x[i]:.4g}" for i in order]
    panel.barh(names, values[order], color=[BLUE if values[i] >= 0 else RED for i in order])
    panel.axvline(0.0, color=GREY, linewidth=0.8)
    panel.set_xlim(-1.05 * most, 1.05 * most)
    panel.set_xlabel("part in the answer")


def _draw_lines(panel: Axes, x: Array) -> None:
    panel.plot(np.arange(len(x)), x, linewidth=1.0, color=GREY)
    panel.set_xlabel("time step")
    panel.set_ylabel("value, in the data's units")


def _show(panel: Axes, x: Array) -> None:
    """Show an image with any number of channels; others than one and three as their mean."""
    low, high = float(x.min()), float(x.max())
    unit = (x - low) / max(high - low, 1e-12)
    panel.imshow(unit if x.shape[2] == 3 else unit.mean(axis=2), cmap="gray")
    _name_pixels(panel)


def _name_pixels(panel: Axes) -> None:
    panel.set_xlabel("column, in pixels")
    panel.set_ylabel("row, in pixels")


def _scale(figure: Any, panels: Any, most: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(-most, most), COLOURS), ax=list(panels), shrink=0.8)
    bar.set_label("part in the answer: blue raises it, red lowers it")


def _plane(players: Players) -> Array:
    """Return the owner of each pixel or step, without the channels."""
    return players.owner[..., 0]


def _title(single: Single, output: Record) -> str:
    values = output["values"]
    strongest = max(range(len(values)), key=lambda i: abs(values[i]))
    name, most = _plain(single.field.players.names[strongest]), values[strongest]
    side = "for" if most >= 0 else "against"
    return f"{_plain(output['name'])} ({output['answer']:.3g}), most\n{side} it: {name} ({most:+.2g})"


def _plain(name: str) -> str:
    """Keep matplotlib from reading formulas into a name, and long ones from leaving the picture."""
    short = name if len(name) <= 40 else name[:39] + "\N{HORIZONTAL ELLIPSIS}"
    return short.replace("$", r"\$")
