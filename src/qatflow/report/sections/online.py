"""What was learned from a stream since: a sentence, the timeline, the candidates. Left out where nothing was."""

from collections.abc import Mapping, Sequence
from typing import Any

from qatflow.report import wording
from qatflow.report.course import PROMOTED, CourseFigures, finding
from qatflow.report.figures.course import holdout, timeline
from qatflow.report.read import Record, Run

ROWS = 100
"""Candidates in the table at most, the newest: the page stays small however long a course was."""
COUNTS = {
    "joined": "samples with a label",
    "waiting": "samples that wait for a label",
    "expired": "samples whose label never came",
    "late": "labels that came too late",
    "unknown": "labels without a sample",
    "duplicate": "samples or labels that came twice",
    "relabelled": "labels that contradict the first",
    "forgotten": "samples of labels that were too rare for a class",
    "poison": "records that cannot be used",
}


def online(run: Run) -> Record | None:
    """Return finding, figures, table and counts of the course; None without one."""
    course = run.course
    if course is None:
        return None
    last = course.promoted[-1]["number"] if course.promoted else None
    return {
        "finding": finding(course),
        "stream": course.stream,
        "error": course.error,
        "figures": [figure for figure in (timeline(course), holdout(course)) if figure],
        "candidates": [_candidate(one, last) for one in reversed(course.candidates[-ROWS:])],
        "left_out": max(0, len(course.candidates) - ROWS),
        "new_classes": [name for name in course.classes if name not in set(run.card.class_names)],
        "counts": _counts(course),
    }


def _candidate(one: Mapping[str, Any], last: int | None) -> Record:
    change = wording.SCORES["classification"].change(one["holdout"] - one["holdout_at_start"])
    status, why = _outcome(one["outcome"], one["reasons"])
    return {
        "number": one["number"],
        "learned": f"{one['learned']:,}",
        "holdout": wording.percent(one["holdout"]),
        "change": f"{change} since the start",
        "window": wording.percent(one["window"]),
        "against": f"champion {wording.percent(one['window_champion'])}, {one['window_samples']:,} samples",
        "status": status,
        "why": why,
        "sha256": one["sha256"],
        "predicts": one["number"] == last,
    }


def _outcome(outcome: str, reasons: Sequence[str]) -> tuple[str, str]:
    """Return what became of a candidate, in a word, and why."""
    status, _, why = outcome.partition(": ")
    said = [*reasons, *([why] if why else [])]
    if status == "pending":
        said.append("its release was under way")
    return status, "" if status == PROMOTED else "; ".join(said)


def _counts(course: CourseFigures) -> dict[str, str]:
    """Records taken and samples learned come first; a count that has no words here keeps its name."""
    shown = {COUNTS.get(name, name): count for name, count in course.counts.items() if count or name == "joined"}
    counts = {"records": course.records, **shown, "samples learned": course.learned}
    return {name: f"{count:,}" for name, count in counts.items()}
