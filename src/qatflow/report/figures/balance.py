"""How many samples each class has in each split."""

from collections.abc import Mapping

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import CHARACTER, Figure, add, text, to_text

MOST_CLASSES = 30
STYLES = ("bar", "bar-second", "bar-third")


def balance(class_counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw one stacked bar per class; `class_counts` is split -> class -> samples. At most the 30 largest classes."""
    totals = _totals(class_counts)
    shown = sorted(totals, key=lambda name: -totals[name])[:MOST_CLASSES]
    shown = [name for name in totals if name in set(shown)]
    axis = rows.Axis(0, max(totals.values()) * 1.02, "{:g}".format, "samples")
    chart = rows.rows(shown, axis, f"{_title(totals)}.", height=20, room_right=7 * CHARACTER, head=24)
    rows.legend(chart.drawing, list(zip(STYLES, class_counts, strict=False)))
    for name, y in zip(shown, chart.y, strict=True):
        below = 0
        for style, counts in zip(STYLES, class_counts.values(), strict=False):
            start, end = chart.scale(below), chart.scale(below + counts.get(name, 0))
            add(chart.drawing, "rect", x=start, y=y - 6, width=end - start, height=12, class_=f"segment {style}")
            below += counts.get(name, 0)
        text(chart.drawing, str(below), (chart.scale(below) + 5, y + 4), "tick")
    left_out = f" The {MOST_CLASSES} largest of {len(totals)} classes." if len(totals) > MOST_CLASSES else ""
    return Figure(
        _title(totals), f"Samples per class and split, after duplicates were dropped.{left_out}", to_text(chart.drawing)
    )


def _totals(class_counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for counts in class_counts.values():
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _title(totals: Mapping[str, int]) -> str:
    least, most = min(totals, key=lambda name: totals[name]), max(totals, key=lambda name: totals[name])
    if totals[most] <= 1.5 * totals[least]:
        return f"Classes are balanced: {totals[least]} to {totals[most]} samples each"
    ratio = wording.times(totals[most] / max(totals[least], 1))
    return f"{most} has {ratio} as many samples as {least}"
