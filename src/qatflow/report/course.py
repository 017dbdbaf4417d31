"""What a course of online learning left to show, as plain values: the report knows nothing of how it was learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.report import wording

WIDTH = 5
"""Buckets that are averaged before anything is said or drawn of them, as the timeline's picture does."""
PROMOTED = "promoted"
ALARM_FALL = 0.05
"""Share of answers by which a course may fall before that is an alarm; of 500 samples noise makes a third of it."""
FORGOTTEN = 0.02
"""Share of the test split that is not lost without a word."""
ALARM_SAMPLES = 200
"""Samples behind each of both ends at least."""


@dataclass(frozen=True, eq=False)
class CourseFigures:
    """A course as it stood at its end.

    Attributes:
        stream: Its address without any secret.
        records, learned: Records taken, and labelled samples learned.
        bucket: Consecutive samples behind each value of `accuracy`.
        ends: Samples seen at the end of each bucket, (b,) int64. Of a long stream the oldest are not kept.
        accuracy: Of the flatbuffer that predicted, before the samples were learned, (b,) float64 from 0 to 1.
        drifts: Samples learned at each drift that was seen.
        candidates: The last ones as mappings, with the keys of `online.candidates.Judged`.
        counts: What became of the records, by name.
        classes: Names of the classes that the model knows now.
        error: Why it ended early; "" if it did not.
    """

    stream: str
    records: int
    learned: int
    bucket: int
    ends: Array
    accuracy: Array
    drifts: Sequence[int]
    candidates: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    classes: Sequence[str]
    error: str = ""

    @property
    def first(self) -> int:
        """Samples that were seen before the first kept bucket."""
        return int(self.ends[0]) - self.bucket if len(self.ends) else 0

    @property
    def promoted(self) -> list[Mapping[str, Any]]:
        """Candidates that were promoted, oldest first."""
        return [one for one in self.candidates if one["outcome"] == PROMOTED]


class Way(NamedTuple):
    """Accuracy at first, at its lowest and at last, each the mean of up to `WIDTH` buckets."""

    first: float
    lowest: float
    last: float


def smooth(accuracy: Array, width: int = WIDTH) -> Array:
    """Return the mean of each value and up to `width - 1` before it, (b,) float64."""
    sums = np.concatenate([[0.0], np.cumsum(accuracy)])
    ends = np.arange(1, len(sums))
    starts = np.maximum(0, ends - width)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def way(course: CourseFigures) -> Way | None:
    """Return where accuracy went; None before the first bucket."""
    if not len(course.accuracy):
        return None
    whole = smooth(course.accuracy)[WIDTH - 1 :] if len(course.accuracy) >= WIDTH else smooth(course.accuracy)[-1:]
    return Way(float(whole[0]), float(whole.min()), float(whole[-1]))


def finding(course: CourseFigures) -> str:
    """Say in a sentence what was learned, how well it went, and what became of it."""
    if not course.learned:
        return f"Nothing was learned yet: {course.records:,} record{_s(course.records)} came, none of them labelled."
    parts = [f"Learned {course.learned:,} sample{_s(course.learned)} of the stream", *_went(course)]
    return f"{'; '.join([*parts, *_candidates(course)])}."


def alarms(course: CourseFigures) -> list[str]:
    """Return a sentence for what went so wrong that it is to be read before all else; mostly none."""
    found, enough = way(course), len(course.accuracy) * course.bucket >= 2 * ALARM_SAMPLES
    if found is None or not enough or found.first - found.last <= ALARM_FALL:
        return []
    fall = f"from {wording.percent(found.first)} to {wording.percent(found.last)}"
    said = f"What is deployed gets worse: its accuracy on the stream fell {fall}, and no candidate made up for it."
    return [f"{said} Look at the stream; `qatflow rollback` brings back what was deployed before."]


def forgotten(course: CourseFigures) -> list[str]:
    """Return a sentence if what is deployed knows less of the test split than what it replaced; mostly none."""
    if not course.promoted:
        return []
    last = course.promoted[-1]
    if last["holdout_at_start"] - last["holdout"] <= FORGOTTEN:
        return []
    before, now = (wording.percent(last[name]) for name in ("holdout_at_start", "holdout"))
    return [
        f"Candidate {last['number']} took over with {now} on the test split; what was deployed before has {before}."
    ]


def accuracy_words(found: Way) -> str:
    """Say where accuracy went, the lowest only where it is below both ends."""
    lowest = f", {wording.percent(found.lowest)} at the lowest" if found.lowest < min(found.first, found.last) else ""
    return f"went from {wording.percent(found.first)} to {wording.percent(found.last)}{lowest}"


def course_summary(course: CourseFigures) -> dict[str, Any]:
    """Return the figures of a course as JSON-like values, for `summary.json`."""
    found, judged, promoted = way(course), course.candidates, course.promoted
    return {
        "stream": course.stream,
        "records": course.records,
        "learned": course.learned,
        "accuracy": found._asdict() if found else None,
        "drifts": list(course.drifts),
        "candidates": judged[-1]["number"] if judged else 0,
        "candidates_kept": len(judged),
        "promoted": len(promoted),
        "holdout_at_start": judged[-1]["holdout_at_start"] if judged else None,
        "holdout": promoted[-1]["holdout"] if promoted else None,
        "alarms": alarms(course),
        "error": course.error,
    }


def _went(course: CourseFigures) -> list[str]:
    found = way(course)
    return [f"accuracy on samples that were not learned yet {accuracy_words(found)}"] if found else []


def _candidates(course: CourseFigures) -> list[str]:
    """Of more candidates than are kept it can only speak of the last ones."""
    judged, promoted = course.candidates, course.promoted
    if not judged:
        return ["no candidate was made yet"]
    last = "last " if judged[-1]["number"] > len(judged) else ""
    if len(judged) == 1:
        said = f"the one candidate was {'promoted' if promoted else 'not promoted'}"
    else:
        many = f"{len(promoted):,}" if promoted else "none"
        said = f"{many} of the {last}{len(judged):,} candidates {'were' if len(promoted) > 1 else 'was'} promoted"
    if not promoted:
        return [said]
    start, now = (wording.percent(value) for value in (judged[-1]["holdout_at_start"], promoted[-1]["holdout"]))
    return [said, f"accuracy on the hold-out, {start} before, is {now}"]


def _s(count: int) -> str:
    return "" if count == 1 else "s"
