"""Where a flatbuffer's bytes lie: the weights of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, hint, text, to_text

BITS = {"FLOAT32": 32, "FLOAT16": 16, "INT16": 16, "INT8": 8, "UINT8": 8, "INT4": 4}
STYLES = {4: "fill-1", 8: "fill-0", 16: "fill-2", 32: "fill-3"}


@dataclass(frozen=True)
class LayerSize:
    """How many weights a layer has, and the type they are stored as."""

    name: str
    dtype: str
    weights: int

    @property
    def bits(self) -> int:
        """Bits of one stored weight; of an unknown type 32."""
        return BITS.get(self.dtype, 32)

    @property
    def size_bytes(self) -> int:
        """Bytes of all of them, two INT4 in one."""
        return (self.weights * self.bits + 7) // 8


def sizes(layers: Sequence[LayerSize], of: str = "", widest: int = 0) -> Figure:
    """Draw a bar for each layer's weights, in the colour of their width.

    Args:
        layers: In their order.
        of: What the title begins with.
        widest: Bytes that the axis reaches at least, so that several figures have one axis.
    """
    total = sum(layer.size_bytes for layer in layers)
    largest = max(layers, key=lambda layer: layer.size_bytes)
    title = f"{of}{largest.name} holds {wording.percent(largest.size_bytes / total)} of the weights' bytes"
    alt = f"{title}. " + "; ".join(f"{layer.name}: {wording.size(layer.size_bytes)}" for layer in layers) + "."
    axis = rows.Axis(0, max(largest.size_bytes, widest) * 1.02, wording.round_size, "size of the weights as stored")
    chart = rows.rows([layer.name for layer in layers], axis, alt, height=20, room_right=9 * CHARACTER, head=24)
    widths = sorted({layer.bits for layer in layers})
    rows.legend(chart.drawing, [(STYLES[bits], f"{bits} bit") for bits in widths])
    start = chart.scale(0)
    for layer, y in zip(layers, chart.y, strict=True):
        end, style = chart.scale(layer.size_bytes), STYLES[layer.bits]
        bar = add(chart.drawing, "rect", x=start, y=y - 5, width=end - start, height=10, class_=style)
        hint(bar, f"{layer.name}: {layer.weights:,} weights as {layer.dtype}")
        text(chart.drawing, wording.size(layer.size_bytes), (end + 5, y + 4), "tick")
    return Figure(
        title, f"Weights as stored, {wording.size(total)} in all, before compression.", to_text(chart.drawing)
    )
