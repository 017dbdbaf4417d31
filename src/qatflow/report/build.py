"""Builds the report of one run."""

from dataclasses import replace
from pathlib import Path

from qatflow import artifacts
from qatflow.params.root import Params
from qatflow.report.course import CourseFigures
from qatflow.report.page import render
from qatflow.report.read import read_run
from qatflow.report.summary import summarize


def build_report(root: Path, params: Params, out: Path, course: CourseFigures | None = None) -> None:
    """Read the artifacts under `root`, write `index.html` and `summary.json` into the folder `out`.

    With a course there is a section on it. Equal artifacts and courses give equal bytes.

    Raises:
        ArtifactError: If an artifact is missing, half written or altered, or was made with other variants.
    """
    run = replace(read_run(root, params.quantize.variants), course=course, is_foreign=params.is_foreign)
    artifacts.write_text(out / "index.html", render(run, params.release.name))
    artifacts.write_json(out / "summary.json", summarize(run))
