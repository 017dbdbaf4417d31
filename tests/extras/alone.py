"""An environment in which only one extra is installed, as its metadata say: no other package can be imported there.

The packages themselves are those of this environment. Children inherit what blocks them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from hatchling.metadata.core import ProjectMetadata
from hatchling.metadata.spec import get_core_metadata_constructors
from hatchling.plugin.manager import PluginManager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = {"flows", "qatflow", "tasks", "tests"}
BLOCK = '''"""Lets nobody import what is not installed here."""

import json
import sys
from pathlib import Path

BLOCKED = frozenset(json.loads(Path(__file__).with_name("blocked.json").read_text()))


class Block:
    """Stands before all other finders."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Refuse what is blocked."""
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Block())
'''


@cache
def our_metadata() -> str:
    """Return the metadata that an installation of this checkout has; what is installed now may be older."""
    return get_core_metadata_constructors()["2.4"](ProjectMetadata(str(ROOT), PluginManager()))


@dataclass(frozen=True)
class _Wanted:
    package: str
    extras: frozenset[str]

    def needs(self) -> Iterator["_Wanted"]:
        """Yield what it requires here; what is not installed, for another Python or machine, requires nothing."""
        for text in _requires(self.package):
            found = Requirement(text)
            if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in {"", *self.extras}):
                yield _Wanted(canonicalize_name(found.name), frozenset(found.extras))


def _requires(package: str) -> list[str]:
    if package != "qatflow":
        return metadata.requires(package) or []
    lines = our_metadata().partition("\n\n")[0].splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]


@cache
def closure(extra: str) -> frozenset[str]:
    """Return the packages that `pip install qatflow[EXTRA]` installs; of an empty EXTRA, `pip install qatflow`."""
    todo, done = [_Wanted("qatflow", frozenset({extra} - {""}))], set[_Wanted]()
    while todo:
        wanted = todo.pop()
        if wanted not in done:
            done.add(wanted)
            todo += wanted.needs()
    return frozenset(wanted.package for wanted in done) - {"qatflow"}


def blocked(extra: str) -> list[str]:
    """Return the modules at the top that come with other packages of this environment only."""
    allowed = closure(extra)
    modules = metadata.packages_distributions().items()
    foreign = {name for name, packages in modules if not allowed & {canonicalize_name(package) for package in packages}}
    return sorted(foreign - OURS)


def settle(folder: Path, extra: str) -> Path:
    """Make a folder that, named in PYTHONPATH, leaves qatflow and one of its extras alone."""
    info = folder / "qatflow-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(our_metadata(), encoding="utf-8")
    (folder / "sitecustomize.py").write_text(BLOCK)
    (folder / "blocked.json").write_text(json.dumps(blocked(extra)))
    return folder
