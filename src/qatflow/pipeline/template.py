"""The files of a project, as `qatflow init` writes them: flows, tasks and params.yaml of QATFlow's own repository.

An installed package holds copies of these very files; in a checkout they are taken from its top level.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from qatflow.identity import PACKAGE

PACKED = PACKAGE / "template"
CHECKOUT = PACKED.parents[2]
SHARED = ("flows", "tasks", "params.yaml", "dvc.yaml", "data/README.md", "models/README.md", ".dvcignore")
"""Files and folders of the repository that are a project's too."""
RENAMED = {"gitignore": ".gitignore", "github/workflows/ci.yml": ".github/workflows/ci.yml"}
"""What would do something where the package itself lies."""
FORMER = "former.json"
"""SHA-256 of what earlier releases had, by path, so that an unedited file is told from an edited one."""


def template() -> dict[str, bytes]:
    """Return the content of each file of a new project, by its path in it."""
    own = {path.relative_to(PACKED).as_posix(): path for path in _files(PACKED)}
    shared = {path.relative_to(_shared()).as_posix(): path for name in SHARED for path in _files(_shared() / name)}
    found = {RENAMED.get(name, name): path for name, path in (own | shared).items() if name != FORMER}
    return {name: path.read_bytes() for name, path in sorted(found.items())}


@cache
def former() -> dict[str, list[str]]:
    """Return the digests of all that earlier releases had at each path."""
    return dict(json.loads((PACKED / FORMER).read_text("utf-8")))


def _shared() -> Path:
    return PACKED if (PACKED / "params.yaml").is_file() else CHECKOUT


def _files(place: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder, but for what Python leaves there."""
    if place.is_file():
        yield place
    for path in sorted(place.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path
