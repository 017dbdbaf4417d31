"""What quantization did to the weights: small histograms for a table row, and noise by layer."""

from collections.abc import Sequence

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, canvas, text, to_text

WIDTH, HEIGHT, BASE = 170, 62, 46


def histogram(edges: Sequence[float], counts: Sequence[int], alt: str) -> str:
    """Return a small histogram as markup: `counts[i]` values lie in `edges[i]..edges[i + 1]`."""
    first, last = (wording.number(float(f"{edge:.2g}")) for edge in (edges[0], edges[-1]))
    drawing = canvas(WIDTH, HEIGHT, f"{alt}: {sum(counts)} values from {first} to {last}")
    add(drawing, "path", d=_bars(counts), class_="bar")
    add(drawing, "line", x1=0, x2=WIDTH, y1=BASE, y2=BASE, class_="axis")
    text(drawing, first, (0, HEIGHT - 3), "tick")
    text(drawing, last, (WIDTH, HEIGHT - 3), "tick", "end")
    return to_text(drawing)


def noise(layers: Sequence[tuple[str, float]]) -> Figure:
    """Draw the signal-to-quantization-noise ratio of each layer's weights, (name, decibels)."""
    worst, lowest = min(layers, key=lambda layer: layer[1])
    title = f"{worst} is the noisiest layer: {lowest:.1f} dB"
    highest = max(value for _, value in layers)
    axis = rows.Axis(min(0.0, lowest), max(highest, 1.0) * 1.05, "{:g}".format, "SQNR of the weights (dB)")
    alt = f"{title}. " + "; ".join(f"{name}: {value:.1f} dB" for name, value in layers) + "."
    chart = rows.rows([name for name, _ in layers], axis, alt, height=20, room_right=6 * CHARACTER)
    zero = chart.scale(0)
    for (_, value), y in zip(layers, chart.y, strict=True):
        end = chart.scale(value)
        add(chart.drawing, "rect", x=min(zero, end), y=y - 5, width=abs(end - zero), height=10, class_="bar")
        text(chart.drawing, f"{value:.1f}", (max(zero, end) + 5, y + 4), "tick")
    note = "Signal-to-quantization-noise ratio against the float weights; higher is better, 6 dB are one bit."
    return Figure(title, note, to_text(chart.drawing))


def _bars(counts: Sequence[int]) -> str:
    step, unit = WIDTH / len(counts), (BASE - 2) / max(*counts, 1)
    return "".join(
        f"M{i * step:.1f} {BASE}V{BASE - count * unit:.1f}H{(i + 1) * step:.1f}V{BASE}Z"
        for i, count in enumerate(counts)
        if count
    )
