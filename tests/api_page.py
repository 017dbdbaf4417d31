"""Writes docs/api.md from the docstrings of `qatflow.__all__`: `python -m tests.api_page`. A test holds it to them."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import qatflow

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
ORDER = (
    *("quantize", "auto_quantize", "Goal", "Options", "SearchResult", "save_bundle", "load_bundle", "Bundle"),
    *("evaluate", "explain", "compare", "QATFlowError", "ParamsError", "DataError", "ModelError"),
    *("ConversionError", "ArtifactError"),
)
"""As the examples build on each other."""
INTRODUCTION = """# `import qatflow`

Written by `python -m tests.api_page` from the docstrings. The examples run, in this order, in `make test`.
These names are stable; whatever else can be imported may change with any release.
"""


def page() -> str:
    """Return the text of docs/api.md."""
    return "\n".join([INTRODUCTION, _block(_example(qatflow.__doc__ or "")), *map(_section, ORDER)])


def _section(name: str) -> str:
    member = getattr(qatflow, name)
    text = inspect.getdoc(member) or ""
    prose, _, example = text.partition("\nExample:\n")
    title = f"## `{name}`\n"
    call = f"```python\n{name}{_signature(member)}\n```\n" if inspect.isfunction(member) else ""
    facts = re.sub(r"^(Args|Attributes|Returns|Raises):$", r"**\1**", prose.strip(), flags=re.MULTILINE)
    lines = [_item(line) for line in facts.splitlines()]
    return "\n".join(part for part in (title, call, "\n".join(lines) + "\n", _block(_example(example))) if part)


def _item(line: str) -> str:
    """Return a line of a docstring as Markdown: an argument begins a list item."""
    if re.match(r"    \S", line):
        return "- " + re.sub(r"^([\w.]+): ", r"`\1`: ", line.strip())
    return line.replace("        ", "  ", 1) if line.startswith("        ") else line


def _signature(member: Callable[..., object]) -> str:
    return re.sub(r"qatflow\.[\w.]+\.(\w+)|pathlib\._?\w*\.?(Path)", r"\1\2", str(inspect.signature(member)))


def _example(text: str) -> str:
    lines = dedent(text).splitlines()
    start = next((number for number, line in enumerate(lines) if line.lstrip().startswith(">>>")), len(lines))
    return dedent("\n".join(lines[start:])).strip()


def _block(example: str) -> str:
    return f"```python\n{example}\n```\n" if example else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
