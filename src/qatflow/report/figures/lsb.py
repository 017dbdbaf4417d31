"""How far two ways to compute the same outputs lie apart, in steps of the output's grid (LSB)."""

from collections.abc import Mapping

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, text, to_text


def lsb(histogram: Mapping[str, int], other: str) -> Figure:
    """Draw the share of output values by their difference; `other` names what the flatbuffer is compared with."""
    total = sum(histogram.values())
    names = sorted(histogram, key=int)
    title = _title(histogram, total, other)
    chart = rows.rows(
        [name.replace("-", wording.MINUS) for name in names],
        rows.Axis(0, 1, wording.round_percent, "share of output values"),
        f"{title}.",
        height=18,
        room_right=9 * CHARACTER,
    )
    for name, y in zip(names, chart.y, strict=True):
        share = histogram[name] / total
        start, end = chart.scale(0), chart.scale(share)
        add(chart.drawing, "rect", x=start, y=y - 5, width=end - start, height=10, class_="bar")
        text(chart.drawing, str(histogram[name]), (end + 5, y + 4), "tick")
    return Figure(
        title, f"Difference from {other} in LSB of the output tensor, by number of values.", to_text(chart.drawing)
    )


def _title(histogram: Mapping[str, int], total: int, other: str) -> str:
    equal = histogram.get("0", 0)
    if equal == total:
        return f"All {total} outputs equal those of {other}"
    return f"{wording.percent(equal / total)} of outputs equal those of {other}"
