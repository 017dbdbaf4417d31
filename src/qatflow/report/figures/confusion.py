"""Confusion matrix of one model: rows are true classes, columns predicted ones."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures.svg import CHARACTER, WIDTH, Figure, add, canvas, text, to_text

LONGEST_NAME = 12
MOST_CLASSES = 20
"""More cells than these cannot be read; the page then lists the most frequent confusions."""
SHADES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Upper bounds of a row's share for the seven shades of style.css."""

Matrix = Sequence[Sequence[int]]


def confusion(name: str, matrix: Matrix, class_names: Sequence[str]) -> Figure:
    """Draw counts, shaded by their share of the true class."""
    names = [wording.clip(label, LONGEST_NAME) for label in class_names]
    edge = max(map(len, names)) * CHARACTER + 24
    cell = (WIDTH - edge - 2) / len(names)
    title = finding(name, matrix, class_names)
    drawing = canvas(WIDTH, WIDTH, f"Confusion matrix. {title}.")
    _frame(drawing, names, edge, cell)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                _cell(drawing, (edge + j * cell, edge + i * cell, cell), count, count / sum(row))
    note = "Rows: true class; columns: predicted class; shade: share of the true class."
    return Figure(title, note, to_text(drawing))


def most_confused(matrix: Matrix, class_names: Sequence[str], count: int) -> list[tuple[str, str, int]]:
    """Return the `count` most frequent errors as (true class, predicted class, times), the worst first."""
    errors = [
        (actual, taken, matrix[i][j])
        for i, actual in enumerate(class_names)
        for j, taken in enumerate(class_names)
        if i != j and matrix[i][j]
    ]
    return sorted(errors, key=lambda error: -error[2])[:count]


def finding(name: str, matrix: Matrix, class_names: Sequence[str]) -> str:
    """Say how many samples a model gets wrong, and what it takes for what most often."""
    samples = sum(map(sum, matrix))
    wrong = samples - sum(matrix[i][i] for i in range(len(matrix)))
    if not wrong:
        return f"{name} gets all {samples} test samples right"
    actual, taken, times = most_confused(matrix, class_names, 1)[0]
    worst = f"most often {actual} for {taken} ({times} times)" if times > 1 else "no two in the same way"
    return f"{name} gets {wrong} of {samples} wrong, {worst}"


def _frame(drawing: Element, names: Sequence[str], edge: float, cell: float) -> None:
    side = cell * len(names)
    add(drawing, "rect", x=edge, y=edge, width=side, height=side, class_="frame")
    text(drawing, "predicted", (edge + side / 2, 11), "label", "middle")
    text(drawing, "true", (11, edge + side / 2), "label", "middle", turned=True)
    turned = max(map(len, names)) * CHARACTER > cell
    for i, name in enumerate(names):
        middle = edge + cell * (i + 0.5)
        text(drawing, name, (edge - 5, middle + 4), "tick", "end")
        text(drawing, name, (middle + 4 * turned, edge - 5), "tick", "start" if turned else "middle", turned)


def _cell(drawing: Element, place: tuple[float, float, float], count: int, share: float) -> None:
    x, y, side = place
    shade = next(i for i, bound in enumerate(SHADES) if share <= bound)
    add(drawing, "rect", x=x + 0.5, y=y + 0.5, width=side - 1, height=side - 1, class_=f"heat-{shade}")
    size = min(11.0, side / (0.62 * max(2, len(str(count)))))
    number = text(drawing, str(count), (x + side / 2, y + side / 2 + size * 0.36), f"on-heat-{shade}", "middle")
    number.set("style", f"font-size:{size:.1f}px")  # a class would not do: the size follows from the cell
