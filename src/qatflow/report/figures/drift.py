"""How far reasons drifted by model, and whether attributions are true: deletion and insertion curves."""

from collections.abc import Mapping
from typing import Any

from qatflow.report import wording
from qatflow.report.figures import lines, rows
from qatflow.report.figures.svg import CHARACTER, WIDTH, Figure, add, hint, text, to_text

Record = Mapping[str, Any]
FLOOR = "float, other masks"
WORDS = {"deletion": ("Removing", "falls", "removed"), "insertion": ("Adding", "rises", "added")}


def by_model(drifts: Mapping[str, Record], floor: Record) -> Figure:
    """Draw each model's rank correlation with float, with its interval; the last row is the noise floor."""
    table = {name: drift["rank_correlation"] for name, drift in [*drifts.items(), (FLOOR, floor)]}
    lowest = min(drifts, key=lambda name: table[name]["mean"])
    title = f"{lowest} drifts most: rank correlation {table[lowest]['mean']:.3f} with float's reasons"
    low = min((entry["interval"] or [entry["mean"]])[0] for entry in table.values())
    axis = rows.Axis(min(low, 0.9), 1.0, wording.number, "rank correlation with float, 1 is the same")
    alt = "; ".join(f"{name}: {entry['mean']:.3f}" for name, entry in table.items())
    chart = rows.rows(list(table), axis, f"{title}. {alt}.", height=22, room_right=8 * CHARACTER)
    for (name, entry), y in zip(table.items(), chart.y, strict=True):
        start, end = (chart.scale(bound) for bound in entry["interval"] or [entry["mean"]] * 2)
        add(chart.drawing, "line", x1=start, x2=end, y1=y, y2=y, class_="whisker")
        style = "mark-float" if name == FLOOR else "mark-passed"
        hint(add(chart.drawing, "circle", cx=chart.scale(entry["mean"]), cy=y, r=4.5, class_=style), name)
        text(chart.drawing, f"{entry['mean']:.3f}", (WIDTH - 2, y + 4), "tick", "end")
    note = (
        "Lines are 95 % bootstrap intervals. All models are asked with the same masks, so equal models give 1; "
        "the grey row is float against itself with other masks: what the explainer's own noise looks like."
    )
    return Figure(title, note, to_text(chart.drawing))


def curves(kind: str, players: str, models: Mapping[str, Record]) -> Figure:
    """Draw the mean answer while players go (`deletion`) or come (`insertion`), in each model's own order.

    The dashed last line has random orders on the first model.
    """
    first = next(iter(models.values()))
    doing, moves, done = WORDS[kind]
    surely = all(model["gain"]["interval"] is None or model["gain"]["interval"][0] > 0 for model in models.values())
    outcome = f"the answer {moves} {'sooner' if surely else 'no surer'} than in random order"
    areas = f"area {wording.number(first['area'])} against {wording.number(first['random_area'])}"
    title = f"{doing} the strongest {players} first, {outcome}: {areas}"
    drawn = [lines.Line(name, model["curve"]) for name, model in models.items()]
    drawn.append(lines.Line("random order", first["random"]))
    frame = lines.Frame("mean answer for the explained output", wording.number, first=0, across=f"{players} {done}")
    alt = "; ".join(f"{name}: area {wording.number(model['area'])}" for name, model in models.items())
    note = f"{kind.capitalize()} (Petsiuk et al., 2018). Areas are of float; over a share of {players} from 0 to 1."
    return Figure(title, note, to_text(lines.lines(drawn, frame, f"{title}. {alt}.")))
