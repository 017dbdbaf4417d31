"""One prediction and its reasons on several models side by side: heat maps of an image, bars of a table or series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import rows
from qatflow.report.figures.svg import WIDTH, Figure, add, canvas, hint, text, to_text

GAP, HEAD, FOOT = 8.0, 20.0, 20.0
FOR, AGAINST = "var(--accent)", "var(--warn)"
MOST_ROWS = 10
NAMED = 3
MARKS = ("mark-float", "mark-passed", "mark-refused")
LIKE = "Blue speaks for it, orange against it; full colour is the strongest of all"


@dataclass(frozen=True)
class Case:
    """An explained output of a sample.

    Attributes:
        sample: Position in the test split.
        label: Its own label.
        output: What is explained.
        names: Of the players.
        values: Model -> attribution, one value a player.
        answers: Model -> what it answers.
        likeness: Mean rank correlation of all models with float.
    """

    sample: int
    label: str
    output: str
    names: Sequence[str]
    values: Mapping[str, Sequence[float]]
    answers: Mapping[str, float]
    likeness: float


def heat(case: Case, grid: Sequence[int], picture: str) -> Figure:
    """Draw a map of each model's attribution beside the picture, a data address; "" leaves it out."""
    panels = len(case.values) + bool(picture)
    side = (WIDTH - GAP * (panels - 1)) / max(panels, 3)
    height = side * grid[0] / grid[1]
    drawing = canvas(WIDTH, HEAD + height + FOOT, _alt(case))
    left = 0.0
    if picture:
        text(drawing, wording.clip(f"a {case.label}", 13), (left, 13), "label")
        image = add(drawing, "image", x=left, y=HEAD, width=side, height=height, href=picture)
        image.set("preserveAspectRatio", "none")
        left += side + GAP
    strongest = max(max(map(abs, values)) for values in case.values.values()) or 1.0
    for model, values in case.values.items():
        text(drawing, wording.clip(model, 13), (left, 13), "label")
        _draw_map(drawing, case, [value / strongest for value in values], (left, side, height), grid)
        text(drawing, wording.number(case.answers[model]), (left, HEAD + height + 14), "tick")
        left += side + GAP
    return Figure(_title(case), f"{LIKE}. Below: the answer.", to_text(drawing))


def bars(case: Case) -> Figure:
    """Draw the strongest players in rows, a mark for each model."""
    strongest = {name: max(abs(values[i]) for values in case.values.values()) for i, name in enumerate(case.names)}
    shown = sorted(range(len(case.names)), key=lambda i: -strongest[case.names[i]])[:MOST_ROWS]
    values = [values[i] for values in case.values.values() for i in shown]
    low, high = min(*values, 0.0), max(*values, 0.0)
    pad = (high - low) * 0.05 or 1.0
    axis = rows.Axis(low - pad, high + pad, wording.number, f"part in the answer ({case.output})")
    chart = rows.rows([case.names[i] for i in shown], axis, _alt(case), height=20, head=24)
    rows.legend(chart.drawing, [*zip(MARKS, case.values, strict=False)])
    zero = chart.scale(0.0)
    add(chart.drawing, "line", x1=zero, x2=zero, y1=24, y2=24 + 20 * len(shown), class_="axis")
    for (model, found), mark in zip(case.values.items(), MARKS, strict=False):
        for i, y in zip(shown, chart.y, strict=True):
            dot = add(chart.drawing, "circle", cx=chart.scale(found[i]), cy=y, r=4, class_=mark)
            hint(dot, f"{model}: {wording.number(found[i])}")
    answers = ", ".join(f"{model} {wording.number(answer)}" for model, answer in case.answers.items())
    return Figure(
        _title(case), f"Right of zero raises the answer, left lowers it. Answers: {answers}.", to_text(chart.drawing)
    )


def _draw_map(
    drawing: Element, case: Case, shares: Sequence[float], place: tuple[float, float, float], grid: Sequence[int]
) -> None:
    left, side, height = place
    down, across = height / grid[0], side / grid[1]
    for i, share in enumerate(shares):
        row, column = divmod(i, grid[1])
        cell = add(drawing, "rect", x=left + column * across, y=HEAD + row * down, width=across, height=down)
        cell.set("style", f"fill:{FOR if share >= 0 else AGAINST};fill-opacity:{abs(share):.2f}")
        hint(cell, f"{case.names[i]}: {wording.signed(share * 100, 0)} % of the strongest")
    add(drawing, "rect", x=left, y=HEAD, width=side, height=height, class_="frame")


def _title(case: Case) -> str:
    alike = "agree on" if case.likeness >= 0.95 else "mostly agree on" if case.likeness >= 0.8 else "differ on"
    named = "" if case.label == case.output else f", label {case.label},"
    return f"On test sample {case.sample}{named} the models {alike} what speaks for {case.output} ({case.likeness:.2f})"


def _alt(case: Case) -> str:
    """Name the strongest players of each model."""
    told = []
    for model, values in case.values.items():
        order = sorted(range(len(values)), key=lambda i: -abs(values[i]))[:NAMED]
        told.append(f"{model}: " + ", ".join(f"{case.names[i]} {wording.number(values[i])}" for i in order))
    return f"{_title(case)}. Strongest, of {'; of '.join(told)}."
