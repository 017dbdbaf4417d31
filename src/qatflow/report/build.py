"""Builds the report of one run."""

from pathlib import Path

from qatflow import artifacts
from qatflow.params import Params
from qatflow.report.page import render
from qatflow.report.read import read_run
from qatflow.report.summary import summarize


def build_report(root: Path, params: Params, out: Path) -> None:
    """Read the artifacts under `root`, write `index.html` and `summary.json` into the folder `out`.

    Equal artifacts give equal bytes.

    Raises:
        ArtifactError: If an artifact is missing, half written or altered, or was made with other variants.
    """
    run = read_run(root, params.quantize.variants)
    artifacts.write_text(out / "index.html", render(run, params.release.name))
    artifacts.write_json(out / "summary.json", summarize(run))
