"""What a course learns, as an MLflow run: metrics in batches, by the number of learned samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.online.course import Course
from qatflow.params.root import Params
from qatflow.report.course import alarms
from qatflow.visualize.online import course_figures


class OnlineRun:
    """The run of one process; what it resumed from is a tag, and so is an alarm, see `report.course.alarms`.

    Raises:
        TrackingError: If the store does not answer.
    """

    def __init__(self, params: Params, root: Path, tags: dict[str, str]) -> None:
        self._tracker = MlflowTracker(params.tracking.uri, params.tracking.experiment, root)
        settings = {f"online.{name}": str(value) for name, value in params.online.model_dump().items()}
        self._said: list[str] = []
        self._id = self._tracker.start_parent("online", settings, {"stage": "online", **tags})

    def log(self, course: Course, lag: int | None) -> None:
        """Log the figures of now; a lag of None is not known."""
        figures: dict[str, Any] = {
            "prequential_accuracy": course.prequential.recent(),
            "records": course.now.records,
            "drifts": len(course.now.drifts),
            "lag": lag,
            **{f"records_{name}": count for name, count in course.parts.intake.counts.items()},
        }
        if course.candidates:
            last = course.candidates[-1]
            figures |= {"candidate_holdout": last.holdout, "candidate_window": last.window}
            figures |= {"promoted": sum(one.outcome == "promoted" for one in course.candidates)}
        said = alarms(course_figures(course, ""))
        figures["alarms"] = len(said)
        if said != self._said:
            self._tracker.tag(self._id, "alarm", " ".join(said) or "none any more")
            self._said = said
        known = {name: float(value) for name, value in figures.items() if value is not None}
        self._tracker.log_metrics(self._id, known, step=course.now.learned)

    def __enter__(self) -> OnlineRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self._tracker.finish(self._id, "FAILED" if kind else "FINISHED")
