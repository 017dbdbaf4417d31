"""The page of `qatflow monitor --html`: what the monitored model saw, in the report's own figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qatflow.monitoring.drift_report import DriftReport, Feature
from qatflow.monitoring.look import Seen
from qatflow.report import wording
from qatflow.report.figures import lines, rows
from qatflow.report.figures.svg import Figure, add, hint, polyline, to_text
from qatflow.report.page import environment

MOST_ROWS = 24
SMALLEST_P = 1e-6
FLATTENS, ALWAYS_SHOWN = 4, 5.0
"""An effect beyond so many times the upper quartile would press the others flat; up to so many deviations none does."""
Record = Mapping[str, Any]


def render(seen: Seen, name: str) -> str:
    """Return the page as HTML; `name` is that of the registered model."""
    report = seen.report
    return (
        environment()
        .get_template("monitor.html.j2")
        .render(
            name=name,
            report=report,
            finding=finding(report),
            tiles=_tiles(seen),
            statistics=report.statistics.items(),
            drift=[figure for figure in (timeline(seen), effects(report)) if figure],
            answers=[figure for figure in (classes(report), confidence(report)) if figure],
            device=[figure for figure in (latency(seen), labels(seen)) if figure],
        )
    )


def finding(report: DriftReport) -> str:
    """Say in a sentence whether there is drift."""
    if report.drifted:
        found = [name for name, statistic in report.statistics.items() if statistic.drifted]
        return f"Drift: {', '.join(found)} {'differs' if len(found) == 1 else 'differ'} from the training data."
    if report.error_changed:
        return "No drift of the inputs, but the error on labelled samples has changed."
    return "No drift."


def timeline(seen: Seen) -> Figure | None:
    """Draw the evidence of each statistic over the windows that the server kept; None before there are two."""
    shown = [record for record in seen.timeline if record["model_sha256"] == seen.report.model_sha256]
    if len(shown) < 2:
        return None
    names = list(shown[-1]["statistics"])
    drawn = [lines.Line(name, [_evidence(record, name) for record in shown]) for name in names]
    drawn.append(lines.Line(f"limit, alpha {seen.report.alpha:g}", [-math.log10(seen.report.alpha)] * len(shown)))
    drifted = sum(record["drifted"] for record in shown)
    title = f"{drifted} of {len(shown)} kept windows have drifted"
    frame = lines.Frame("evidence: -log10 of p", "{:g}".format, across="window kept, oldest first")
    note = "Above the limit is drift. p-values are corrected for all statistics (Holm); below 0.000001 they are cut."
    return Figure(title, note, to_text(lines.lines(drawn, frame, f"Drift over time. {title}.")))


def effects(report: DriftReport) -> Figure | None:
    """Draw how far each feature has moved, those that moved most first."""
    shown = sorted(report.features, key=lambda feature: -abs(feature.effect))[:MOST_ROWS]
    if not shown:
        return None
    moved = sum(feature.drifted for feature in report.features)
    title = f"{moved} of {len(report.features)} features of the inputs have moved"
    widest = _widest([abs(feature.effect) for feature in shown])
    axis = rows.Axis(-widest, widest, "{:g}".format, "shift of the mean, in standard deviations")
    chart = rows.rows([feature.name for feature in shown], axis, f"Features. {title}.", height=20, head=24)
    rows.legend(chart.drawing, [("mark-refused", "moved"), ("mark-passed", "within chance")])
    for feature, y in zip(shown, chart.y, strict=True):
        inside = min(max(feature.effect, -widest), widest)
        start, end = chart.scale(0), chart.scale(inside)
        add(chart.drawing, "line", x1=start, x2=end, y1=y, y2=y, class_="whisker")
        style = "mark-refused" if feature.drifted else "mark-passed"
        if inside == feature.effect:
            mark = add(chart.drawing, "circle", cx=end, cy=y, r=4.5, class_=style)
        else:
            back = end - math.copysign(9, inside)
            tip = polyline([(back, y - 5), (end, y), (back, y + 5), (back, y - 5)])
            mark = add(chart.drawing, "polyline", points=tip, class_=style)
        hint(mark, f"{feature.name}: {feature.effect:+.2f} deviations, PSI {feature.psi:.3f}")
    note = "A feature may move without its mean: what counts is the PSI in bins frozen on the training data."
    return Figure(title, note + _beyond(shown, widest), to_text(chart.drawing))


def _widest(effects: Sequence[float]) -> float:
    """Return where the axis ends: at the largest effect, unless it would press the typical ones flat."""
    quartile = sorted(effects)[(3 * len(effects)) // 4 - 1] if len(effects) > 1 else effects[0]
    return 1.08 * min(max(0.5, *effects), max(ALWAYS_SHOWN, FLATTENS * quartile))


def _beyond(shown: Sequence[Feature], widest: float) -> str:
    beyond = [f"{feature.name} ({feature.effect:+.3g})" for feature in shown if abs(feature.effect) > widest]
    return f" An arrow goes beyond the axis: {', '.join(beyond)}." if beyond else ""


def classes(report: DriftReport) -> Figure | None:
    """Draw how often each class is predicted, on validation data and in the window."""
    if not report.classes:
        return None
    ordered = sorted(report.classes, key=lambda name: -abs(report.classes[name][1] - report.classes[name][0]))
    shown = {name: report.classes[name] for name in report.classes if name in set(ordered[:MOST_ROWS])}
    old, new = report.classes[ordered[0]]
    title = f"{ordered[0]} changed most: {wording.percent(old)} of the answers before, {wording.percent(new)} now"
    return _pairs(shown, title, "share of the predictions", "Predicted classes")


def confidence(report: DriftReport) -> Figure:
    """Draw the distribution of the confidence, or of the first output."""
    found = report.confidence
    bins = zip(found["edges"], found["edges"][1:], found["reference"], found["window"], strict=False)
    shown = {f"{low:.3g} to {high:.3g}": (old, new) for low, high, old, new in bins}
    name = "confidence" if report.classes else "first output"
    top = next(reversed(shown))
    old, new = shown[top]
    title = f"{wording.percent(new)} of the samples have a {name} of {top}; {wording.percent(old)} had"
    return _pairs(shown, title, f"share of the samples, by {name}", name.capitalize())


def latency(seen: Seen) -> Figure | None:
    """Draw median and 99th percentile of the latency over the windows that the server kept."""
    shown = [record["health"] for record in seen.timeline]
    if len(shown) < 2:
        return None
    drawn = [
        lines.Line("median", [health["latency_ms"] for health in shown]),
        lines.Line("99th percentile", [health["latency_p99_ms"] for health in shown]),
    ]
    title = f"The median latency is {wording.latency(shown[-1]['latency_ms'] * 1000)}"
    frame = lines.Frame("ms a request", "{:g}".format, across="window kept, oldest first")
    return Figure(title, "As the server measured it.", to_text(lines.lines(drawn, frame, f"Latency. {title}.")))


def labels(seen: Seen) -> Figure | None:
    """Draw the accuracy on labelled samples over the windows that the server kept."""
    known = [record["labelled"] for record in seen.timeline if record["labelled"]["accuracy"] is not None]
    if len(known) < 2:
        return None
    drawn = [lines.Line("on the last labels", [found["accuracy"] for found in known])]
    if known[-1]["reference_accuracy"] is not None:
        drawn.append(lines.Line("on validation data", [known[-1]["reference_accuracy"]] * len(known)))
    title = f"Accuracy is {wording.percent(known[-1]['accuracy'])} of the last {known[-1]['samples']} labels"
    frame = lines.Frame("accuracy", wording.round_percent, across="window kept, oldest first")
    return Figure(title, "Labels may come late.", to_text(lines.lines(drawn, frame, f"Labels. {title}.")))


def _pairs(shown: Mapping[str, tuple[float, float]], title: str, across: str, what: str) -> Figure:
    widest = max(0.02, *(share for pair in shown.values() for share in pair)) * 1.05
    axis = rows.Axis(0.0, widest, wording.round_percent, across)
    chart = rows.rows(list(shown), axis, f"{what}. {title}.", height=20, head=24)
    rows.legend(chart.drawing, [("mark-float", "before"), ("mark-passed", "now")])
    for (name, (old, new)), y in zip(shown.items(), chart.y, strict=True):
        start, end = chart.scale(old), chart.scale(new)
        add(chart.drawing, "line", x1=start, x2=end, y1=y, y2=y, class_="whisker")
        add(chart.drawing, "circle", cx=start, cy=y, r=6.5, class_="mark-float")
        mark = add(chart.drawing, "circle", cx=end, cy=y, r=4, class_="mark-passed")
        hint(mark, f"{name}: {wording.percent(old)} before, {wording.percent(new)} now")
    return Figure(title, "Before is the validation data, now is the last window.", to_text(chart.drawing))


def _evidence(record: Record, name: str) -> float:
    finding = record["statistics"].get(name)
    return 0.0 if finding is None else -math.log10(max(finding["adjusted_p"], SMALLEST_P))


def _tiles(seen: Seen) -> Sequence[dict[str, str]]:
    report = seen.report
    known = report.labelled
    smallest = min((finding.adjusted_p for finding in report.statistics.values()), default=1.0)
    accuracy = "no labels" if known.accuracy is None else wording.percent(known.accuracy)
    before = "" if known.reference_accuracy is None else f"validation {wording.percent(known.reference_accuracy)}"
    return [
        {"name": "Drift", "value": wording.chance(smallest), "beside": f"at most {report.alpha:g} is drift"},
        {"name": "Samples", "value": str(report.samples), "beside": f"of {seen.records} recorded"},
        {"name": "Accuracy", "value": accuracy, "beside": before},
        {"name": "Latency", "value": wording.latency(report.health.latency_ms * 1000), "beside": "median"},
    ]  # fmt: skip
