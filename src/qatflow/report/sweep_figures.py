"""Figures of a sweep: ranks with intervals, time to the target, size against score with the Pareto front."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.figures import axes, labels, rows
from qatflow.report.figures.svg import CHARACTER, WIDTH, Figure, add, canvas, hint, polyline, text, to_text

Record = Mapping[str, Any]
HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 290, 52, 30, 252, WIDTH - 12
RADIUS = 5


def ranks(found: Record) -> Figure:
    """Draw each optimizer's mean rank with its interval; `found` is `ranks` of results.json."""
    table = sorted(found["optimizers"].items(), key=lambda item: item[1]["mean"])
    alt = "; ".join(f"{name}: {entry['mean']:.2f}" for name, entry in table)
    axis = rows.Axis(0.8, len(table) + 0.2, "{:g}".format, "mean rank, 1 is best")
    chart = rows.rows([name for name, _ in table], axis, f"Mean ranks. {alt}.", height=20, room_right=5 * CHARACTER)
    for (name, entry), y in zip(table, chart.y, strict=True):
        low, high = (chart.scale(bound) for bound in entry["interval"])
        add(chart.drawing, "line", x1=low, x2=high, y1=y, y2=y, class_="whisker")
        mark = add(chart.drawing, "circle", cx=chart.scale(entry["mean"]), cy=y, r=RADIUS, class_="mark-passed")
        hint(mark, f"{name}: {entry['mean']:.2f}")
        text(chart.drawing, f"{entry['mean']:.1f}", (WIDTH - 2, y + 4), "tick", "end")
    note = (
        f"Over {found['blocks']} block{'s' * (found['blocks'] > 1)} of strategy, architecture and seed, by score on "
        f"the test split. Lines are Nemenyi's 95 % intervals: optimizers whose lines do not overlap differ. Friedman's "
        f"p = {found['friedman_p']:.3f}."
    )
    return Figure(rank_finding(found), note, to_text(chart.drawing))


def rank_finding(found: Record) -> str:
    """Say which optimizer ranks first, and from which ones it surely differs."""
    table = sorted(found["optimizers"].items(), key=lambda item: item[1]["mean"])
    best, entry = table[0]
    tied = [name for name, other in table if other["mean"] == entry["mean"]]
    beaten = [name for name, other in table if other["mean"] - entry["mean"] > 2 * found["margin"]]
    first = f"{best} ranks first" if len(tied) == 1 else f"{_listed(tied)} share the first rank"
    if not beaten:
        return f"{first}, but {found['blocks']} block{'s' * (found['blocks'] > 1)} cannot tell it from any other"
    return f"{first}, surely above {_listed(beaten)}"


def time_to_target(reach: Mapping[str, Record], target: str) -> Figure | None:
    """Draw the median seconds to the target of each optimizer; None if no trial reached it."""
    table = [(name, entry) for name, entry in reach.items() if entry["seconds"] is not None]
    if not table:
        return None
    table.sort(key=lambda item: item[1]["seconds"])
    alt = "; ".join(f"{name}: {entry['seconds']:.1f} s" for name, entry in table)
    axis = rows.Axis(0, table[-1][1]["seconds"] * 1.02, "{:g}".format, "seconds, median")
    chart = rows.rows([name for name, _ in table], axis, f"Time to {target}. {alt}.", 20, room_right=17 * CHARACTER)
    for (_, entry), y in zip(table, chart.y, strict=True):
        left, end = chart.scale(0), chart.scale(entry["seconds"])
        add(chart.drawing, "rect", x=left, y=y - 5, width=end - left, height=10, class_="bar")
        epochs = f"{entry['epochs']:g} epoch{'s' * (entry['epochs'] != 1)}"
        text(chart.drawing, f"{entry['seconds']:.1f} s, {epochs}", (end + 5, y + 4), "tick")
    name, entry = table[0]
    note = (
        f"Until the fake-quant model first scores {target} on the validation split, of trials that do; calibration and "
        f"building the graph included. Seconds are of this machine under this load; epochs are not."
    )
    return Figure(f"{name} reaches {target} soonest, after {entry['seconds']:.1f} s", note, to_text(chart.drawing))


def pareto(trials: Sequence[Record], front: Sequence[str], score: wording.Score) -> Figure:
    """Plot size (bytes, logarithmic) against score on the test split; trials of the front are filled and joined."""
    sizes = [trial["size_bytes"] for trial in trials]
    x = axes.Scale(min(sizes) / 1.5, max(sizes) * 1.5, LEFT, RIGHT, logarithmic=True)
    y = axes.Scale(*axes.span([trial["test_score"] for trial in trials]), BOTTOM, TOP)
    best = sorted((trial for trial in trials if trial["key"] in front), key=lambda trial: trial["size_bytes"])
    alt = "; ".join(_describe(trial, score) for trial in best)
    drawing = canvas(WIDTH, HEIGHT, f"Size against {score.name}. On the front: {alt}.")
    axes.horizontal_axis(drawing, x, TOP, BOTTOM, wording.round_size, "size of the flatbuffer (logarithmic)")
    axes.vertical_axis(drawing, y, LEFT, RIGHT, score.tick, f"{score.name} on the test split")
    places = {trial["key"]: (x(trial["size_bytes"]), y(trial["test_score"])) for trial in trials}
    add(drawing, "polyline", points=polyline(places[trial["key"]] for trial in best), class_="line-val")
    for trial in sorted(trials, key=lambda trial: trial["key"] in front):
        style = "mark-passed" if trial["key"] in front else "mark-float"
        across, down = places[trial["key"]]
        hint(add(drawing, "circle", cx=across, cy=down, r=RADIUS, class_=style), _describe(trial, score))
    _draw_names(drawing, _firsts(best), places)
    note = "Up and left is better. Filled: no other trial is both as small and as good."
    return Figure(_front_finding(best, score), note, to_text(drawing))


def _draw_names(drawing: Element, trials: Sequence[Record], places: Mapping[str, tuple[float, float]]) -> None:
    names = [f"{trial['optimizer']} {trial['strategy']}" for trial in trials]
    points = [places[trial["key"]] for trial in trials]
    for name, place in zip(names, labels.place(names, points, (LEFT, TOP, RIGHT, BOTTOM)), strict=True):
        text(drawing, wording.clip(name, labels.LONGEST), (place.x, place.y), "halo", place.anchor)


def _firsts(trials: Sequence[Record]) -> list[Record]:
    """Return one trial of each size and score: names of equal ones would cover each other."""
    return list({(trial["size_bytes"], trial["test_score"]): trial for trial in reversed(trials)}.values())[::-1]


def _front_finding(best: Sequence[Record], score: wording.Score) -> str:
    smallest, highest = best[0], max(best, key=lambda trial: trial["test_score"])
    if smallest["test_score"] == highest["test_score"]:
        return f"{smallest['strategy']} is the smallest and the best: {_figures(smallest, score)}"
    price = wording.times(highest["size_bytes"] / smallest["size_bytes"])
    gain = score.change(highest["test_score"] - smallest["test_score"])
    return f"{highest['strategy']} gains {gain} on {smallest['strategy']} for {price} the bytes"


def _describe(trial: Record, score: wording.Score) -> str:
    return f"{trial['name']}: {_figures(trial, score)}"


def _figures(trial: Record, score: wording.Score) -> str:
    return f"{wording.size(trial['size_bytes'])}, {score.value(trial['test_score'])}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
