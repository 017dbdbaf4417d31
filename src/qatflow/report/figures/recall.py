"""Recall of each class, float model against the quantized one."""

from collections.abc import Mapping

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import Figure, add, hint, to_text

MOST_CLASSES = 30


def recall(name: str, before: Mapping[str, float], after: Mapping[str, float], reference: str = "float") -> Figure:
    """Draw two marks per class, the reference and `name`; of more than 30 classes those that changed most."""
    title = _title(name, before, after, reference)
    changed = sorted(before, key=lambda label: -abs(after[label] - before[label]))[:MOST_CLASSES]
    shown = [label for label in before if label in set(changed)]
    low = min([before[label] for label in shown] + [after[label] for label in shown])
    axis = rows.Axis(max(0.0, low - 0.02), 1.0, wording.round_percent, "recall")
    chart = rows.rows(shown, axis, f"Recall per class. {title}.", head=24)
    rows.legend(chart.drawing, [("mark-float", reference), ("mark-passed", wording.clip(name, 30))])
    for label, y in zip(shown, chart.y, strict=True):
        start, end = chart.scale(before[label]), chart.scale(after[label])
        add(chart.drawing, "line", x1=start, x2=end, y1=y, y2=y, class_="whisker")
        add(chart.drawing, "circle", cx=start, cy=y, r=6.5, class_="mark-float")
        mark = add(chart.drawing, "circle", cx=end, cy=y, r=4, class_="mark-passed")
        hint(mark, f"{label}: {reference} {wording.percent(before[label])}, {name} {wording.percent(after[label])}")
    left_out = f" The {MOST_CLASSES} of {len(before)} classes that changed most." if len(before) > MOST_CLASSES else ""
    return Figure(
        title,
        f"Share of each class that is found on the test split.{left_out}",
        to_text(chart.drawing),
    )


def _title(name: str, before: Mapping[str, float], after: Mapping[str, float], reference: str) -> str:
    worst = min(before, key=lambda label: after[label] - before[label])
    if after[worst] >= before[worst]:
        return f"No class loses recall in {name}"
    start, end = wording.percent(before[worst]), wording.percent(after[worst])
    return f"{worst} loses most: recall {start} with {reference}, {end} with {name}"
