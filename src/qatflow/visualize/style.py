"""What all pictures share: colours for every eye, titles that fit, bytes that repeat. Matplotlib without pyplot."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any, Literal

from qatflow.report import wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["png", "svg"]

BLUE, ORANGE, GREEN, GREY, LIGHT = "#0072b2", "#d55e00", "#009e73", "#5b5f66", "#c9ced6"
"""Okabe and Ito's, which all common colour-blindnesses tell apart."""
WIDTHS = {4: ORANGE, 8: BLUE, 16: GREEN, 32: GREY}
"""Colour of weights by their bits."""
DIVERGING, SEQUENTIAL = "RdBu", "Blues"
LONGEST = 28
DPI = 150
ROW = 0.2
"""Height of a named row, in inches: text of 8 points leaves a gap."""
SMALL = 8


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches."""
    from matplotlib.figure import Figure  # half a second, which only pictures need

    return Figure(figsize=(width, height), layout="constrained")


def plain(name: str) -> str:
    """Return a name that fits and in which matplotlib reads no formula."""
    return wording.clip(name, LONGEST).replace("$", r"\$")


def title(panel: Axes, words: str, width: int) -> None:
    """Put a finding above a panel, in lines of `width` characters at most."""
    panel.set_title(textwrap.fill(words, width), fontsize=11, loc="left")


def whole_ticks(panel: Axes) -> None:
    """Number the horizontal axis by whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def name_rows(panel: Axes, names: list[str]) -> None:
    """Name horizontal bars 0, 1, …, the first on top."""
    panel.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=SMALL)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.grid(axis="x", color=LIGHT, linewidth=0.6)
    panel.set_axisbelow(True)


def render(figure: Figure, kind: Format) -> bytes:
    """Return the picture as PNG or SVG; equal figures give equal bytes."""
    import matplotlib as mpl

    file = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with mpl.rc_context({"svg.hashsalt": "qatflow"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()
