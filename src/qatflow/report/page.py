"""Renders the page. Everything is escaped but our own SVG, which is escaped as it is built."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from qatflow.report import wording
from qatflow.report.read import Run
from qatflow.report.sections import SECTIONS


def render(run: Run, model: str) -> str:
    """Return the whole page as HTML; `model` is the registered model's name."""
    parts = {name: section(run) for name, section in SECTIONS.items()}
    return environment().get_template("page.html.j2").render(**parts, model=model, task=run.task)


def environment() -> Environment:
    """Return the templates, which escape all they are given and know the filter `short`."""
    made = Environment(
        loader=PackageLoader("qatflow.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["short"] = wording.short
    return made
