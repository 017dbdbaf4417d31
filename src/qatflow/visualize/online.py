"""Shows a course when it has ended: its timeline, and the project's report with a section on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qatflow import artifacts
from qatflow.errors import QATFlowError
from qatflow.params.root import Params
from qatflow.report.build import build_report
from qatflow.report.course import CourseFigures
from qatflow.visualize.course import Curve, draw_course

if TYPE_CHECKING:
    from qatflow.online.course import Course  # imports TensorFlow

TIMELINE, REPORT = "timeline.png", "report"


def course_figures(course: Course, stream: str, error: str = "") -> CourseFigures:
    """Return what a course has to show; `stream` is its address without any secret, `error` what ended it early."""
    from qatflow.online.figures import BUCKET

    ends, accuracy = course.prequential.curve()
    return CourseFigures(
        stream=stream,
        records=course.now.records,
        learned=course.now.learned,
        bucket=BUCKET,
        ends=ends,
        accuracy=accuracy,
        drifts=course.now.drifts,
        candidates=[candidate.to_dict() for candidate in course.candidates],
        counts=course.parts.intake.counts,
        classes=course.parts.intake.names,
        error=error,
    )


def show_course(root: Path, params: Params, course: CourseFigures, state: Path) -> str:
    """Write `timeline.png` and `report/` into the state folder; return a line that says where they are.

    Nothing that is missing or cannot be written is an error: what was learned is safe in its checkpoints, and a project
    that made only some artifacts has no report to put a section into.
    """
    try:
        draw_course(Curve(course.ends, course.accuracy), course.candidates, course.drifts, state / TIMELINE)
        with artifacts.stage_output(state / REPORT, "online") as out:
            build_report(root, params, out, course)
    except OSError as error:
        return f"timeline and report could not both be written: {error.strerror or error}"
    except QATFlowError as error:
        return f"timeline  {state / TIMELINE}; no new report, for that needs a whole run: {error}"
    return f"report    {state / REPORT / 'index.html'}"
