"""Timelines of a course: accuracy of what predicts, drifts, candidates; and what candidates forgot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from xml.etree.ElementTree import Element

from qatflow.report import wording
from qatflow.report.course import PROMOTED, WIDTH, CourseFigures, accuracy_words, smooth, way
from qatflow.report.figures import axes, svg
from qatflow.report.figures.lines import LINE, place_keys
from qatflow.report.figures.svg import CHARACTER, Figure, add, canvas, hint, polyline, text, to_text

POINTS, MARKS = 240, 200
"""Points of the line, and candidates and drifts with a mark, at most; of these the newest."""
LEFT, RIGHT, PLOT, RADIUS = 52.0, svg.WIDTH - 22.0, 170.0, 4.5
STYLES = {"answers": "series-0", "drift": "whisker dash-1", "promoted": "fill-2", "other": "mark-refused"}
NAMES = {"answers": "flatbuffer", "drift": "drift seen", "promoted": "promoted", "other": "not promoted"}

Candidate = Mapping[str, Any]
Figured = Literal["window", "holdout"]


def timeline(course: CourseFigures) -> Figure | None:
    """Draw accuracy before learning, drifts, and candidates at their accuracy on the recent window.

    None before the first bucket of samples.
    """
    found = way(course)
    if found is None:
        return None
    title = f"Accuracy before learning {accuracy_words(found)}"
    ends, accuracy = _line(course)
    candidates, drifts = _newest(course, course.candidates), [at for at in course.drifts if at >= course.first][-MARKS:]
    kinds = ["answers", *(["drift"] if drifts else []), *_kinds(candidates)]
    values = [*accuracy, *(one["window"] for one in candidates)]
    drawing, x, y = _frame(course, kinds, values, f"{title}. {_told(course)}")
    _draw_drifts(drawing, drifts, x, y)
    points = polyline((x(end), y(value)) for end, value in zip(ends, accuracy, strict=True))
    line = add(drawing, "polyline", points=points, class_="series series-0", data_series="answers")
    hint(line, f"Flatbuffer that predicts: {wording.percent(found.last)} now")
    _draw_candidates(drawing, candidates, "window", x, y)
    return Figure(title, _note(course, candidates), to_text(drawing))


def holdout(course: CourseFigures) -> Figure | None:
    """Draw accuracy of the candidates on the hold-out: what they forgot. None without any."""
    candidates = _newest(course, course.candidates)
    if not candidates:
        return None
    start, last = candidates[-1]["holdout_at_start"], candidates[-1]["holdout"]
    change = wording.SCORES["classification"].change(last - start)
    title = f"On the hold-out the last candidate stands at {wording.percent(last)}, {change} since the start"
    values = [start, *(one["holdout"] for one in candidates)]
    drawing, x, y = _frame(course, _kinds(candidates), values, f"{title}. {_told(course)}")
    begun = add(drawing, "line", x1=LEFT, x2=RIGHT, y1=y(start), y2=y(start), class_="diagonal")
    hint(begun, f"Where learning began: {wording.percent(start)}")
    joined = polyline((x(one["learned"]), y(one["holdout"])) for one in candidates)
    add(drawing, "polyline", points=joined, class_="line-train")
    _draw_candidates(drawing, candidates, "holdout", x, y)
    note = "The test split, which no stream changes: it shows what was forgotten. Level line: where learning began."
    return Figure(title, note, to_text(drawing))


def _line(course: CourseFigures) -> tuple[list[int], list[float]]:
    """Return the smoothed accuracy in few enough points; each averages all buckets since the one before it."""
    stride = math.ceil(len(course.ends) / POINTS)
    chosen = slice((len(course.ends) - 1) % stride, None, stride)  # the last one is among them
    return course.ends[chosen].tolist(), smooth(course.accuracy, max(WIDTH, stride))[chosen].tolist()


def _newest(course: CourseFigures, candidates: Sequence[Candidate]) -> list[Candidate]:
    return [one for one in candidates if one["learned"] >= course.first][-MARKS:]


def _kinds(candidates: Sequence[Candidate]) -> list[str]:
    found = {_kind(one) for one in candidates}
    return [kind for kind in ("promoted", "other") if kind in found]


def _kind(candidate: Candidate) -> str:
    return "promoted" if candidate["outcome"] == PROMOTED else "other"


def _frame(
    course: CourseFigures, kinds: Sequence[str], values: Sequence[float], alt: str
) -> tuple[Element, axes.Scale, axes.Scale]:
    """Return a drawing with keys and axes, and its scales."""
    keys = place_keys([NAMES[kind] for kind in kinds])
    top = LINE * (1 + keys[-1][1]) + 24
    drawing = canvas(svg.WIDTH, top + PLOT + 40, alt)
    x = axes.Scale(course.first, max(course.learned, course.first + 1), LEFT, RIGHT)
    low, high = axes.span(values)
    y = axes.Scale(max(low, 0.0), min(high, 1.0), top + PLOT, top)
    title = "accuracy (axis does not start at 0)" if low > 0 else "accuracy"
    axes.horizontal_axis(drawing, x, top, top + PLOT, _samples, "samples learned")
    axes.vertical_axis(drawing, y, LEFT, RIGHT, wording.round_percent, title)
    for kind, (name, row, left) in zip(kinds, keys, strict=True):
        _draw_key(drawing, kind, name, (left, LINE * row + 10))
    return drawing, x, y


def _draw_key(drawing: Element, kind: str, name: str, at: tuple[float, float]) -> None:
    x, y = at
    key = add(drawing, "g", class_="key", data_series=kind, aria_label=name)
    add(key, "rect", x=x, y=y - 8, width=26 + len(name) * CHARACTER, height=16, class_="touch")
    if kind in {"promoted", "other"}:
        add(key, "circle", cx=x + 10, cy=y, r=RADIUS, class_=STYLES[kind])
    else:
        add(key, "line", x1=x, x2=x + 20, y1=y, y2=y, class_=STYLES[kind])
    text(key, name, (x + 25, y + 4), "label")


def _draw_drifts(drawing: Element, drifts: Sequence[int], x: axes.Scale, y: axes.Scale) -> None:
    group = add(drawing, "g", class_="series", data_series="drift")
    for at in drifts:
        mark = add(group, "line", x1=x(at), x2=x(at), y1=y.start, y2=y.stop, class_=STYLES["drift"])
        hint(mark, f"Drift seen after {at:,} samples")


def _draw_candidates(
    drawing: Element, candidates: Sequence[Candidate], figure: Figured, x: axes.Scale, y: axes.Scale
) -> None:
    """Those that were promoted lie above the others."""
    for kind in ("other", "promoted"):
        group = add(drawing, "g", class_="series", data_series=kind)
        for one in candidates:
            if _kind(one) == kind:
                mark = add(group, "circle", cx=x(one["learned"]), cy=y(one[figure]), r=RADIUS, class_=STYLES[kind])
                hint(mark, _describe(one))


def _describe(one: Candidate) -> str:
    held, window, before = (wording.percent(one[name]) for name in ("holdout", "window", "window_champion"))
    figures = f"hold-out {held}, window {window} against {before}"
    return f"Candidate {one['number']}, {one['learned']:,} samples: {figures}; {wording.clip(one['outcome'], 80)}"


def _told(course: CourseFigures) -> str:
    """The marks in words, for those who cannot see them; the table has the rest."""
    promoted = f"{len(course.promoted)} of {len(course.candidates)} candidates promoted"
    return f"{course.learned:,} samples, {len(course.drifts)} drifts seen, {promoted}."


def _note(course: CourseFigures, candidates: Sequence[Candidate]) -> str:
    marks = " Marks: candidates, at their accuracy on the recent window." if candidates else ""
    width = max(WIDTH, math.ceil(len(course.ends) / POINTS)) * course.bucket
    gone = f" The first {course.first:,} samples are not kept." if course.first else ""
    left = " Only the newest marks are drawn." if max(len(course.candidates), len(course.drifts)) > MARKS else ""
    return f"Mean of {width:,} samples, each answered by the flatbuffer before it was learned.{marks}{gone}{left}"


def _samples(tick: float) -> str:
    """Millions are short, so that ticks do not touch; parts of samples have no number."""
    if tick >= 1e6:
        return f"{tick / 1e6:g}{wording.SPACE}M"
    return f"{tick:,.0f}" if tick == int(tick) else ""
