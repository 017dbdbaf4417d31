"""Renders the page. Everything is escaped but our own SVG, which is escaped as it is built."""

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qatflow.release.card_text import visible
from qatflow.report import wording
from qatflow.report.read import Run
from qatflow.report.sections import SECTIONS


def render(run: Run, model: str) -> str:
    """Return the whole page as HTML; `model` is the registered model's name."""
    parts = {name: part for name, section in SECTIONS.items() if (part := section(run)) is not None}
    sections = [name for name in parts if name != "headline"]
    return environment().get_template("page.html.j2").render(**parts, sections=sections, model=model, task=run.task)


def _breakable(name: object) -> Markup:
    """Let a name break behind its underscores, and nowhere else."""
    return Markup("_<wbr>").join(str(name).split("_"))


def environment() -> Environment:
    """Return the templates, which escape all they are given, and show what is not seen but acts.

    They know the filters `short`, `p_value` and `wbr`, and `script` with its digest, by which the page's policy lets no
    other script run.
    """
    made = Environment(
        loader=PackageLoader("qatflow.report"),
        autoescape=True,
        finalize=lambda value: type(value)(visible(value)) if isinstance(value, str) else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = files("qatflow.report").joinpath("templates/page.js").read_text("utf-8")
    made.globals["script"] = Markup(script)  # noqa: S704 (our own file)
    made.globals["script_hash"] = f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
    made.filters["short"] = wording.short
    made.filters["p_value"] = wording.p_value
    made.filters["wbr"] = _breakable
    return made
