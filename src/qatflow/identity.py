"""Which code made this: a digest over what an entry module really imports, and the packages that can change its bytes.

The one answer for the graph, for the checkpoints of a training that goes on, and for a sweep's results. It is the same
on every machine, at every place of installation and on Python 3.11 to 3.13. Needs no TensorFlow.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import CodeError, nearest
from qatflow.syntax_tree import Import, Source, read

PACKAGE = Path(__file__).parent
STOPS: Mapping[str, str] = {
    "qatflow": "names of the front door, and the number of the release",
    "qatflow.adapters.dvc_*": "hands stages to DVC",
    "qatflow.adapters.mlflow_*": "hands models and figures to MLflow and back, as they are",
    "qatflow.cli": "reads the command line",
    "qatflow.cli.*": "reads the command line",
    "qatflow.errors": "says what is wrong",
    "qatflow.extras": "says what is not installed",
    "qatflow.holding": "keeps a second run out",
    "qatflow.home": "chooses a folder for logs and caches",
    "qatflow.identity": "this module",
    "qatflow.params": "a name for its sections, each of which counts where it is imported",
    "qatflow.params.base": "types of fields, which refuse values",
    "qatflow.params.checks": "refuses values",
    "qatflow.params.root": "holds all sections",
    "qatflow.params_file": "reads parameters, which are compared by value",
    "qatflow.pipeline": "runs stages, graphs and flows",
    "qatflow.pipeline.*": "runs stages, graphs and flows",
    "qatflow.progress": "tells how far work is",
    "qatflow.screen": "draws on the terminal",
    "qatflow.stopping": "ends a process in an orderly way",
    "qatflow.syntax_tree": "this module's reader",
}
"""Where the walk stops, and why: what arranges or checks, but computes no byte of any output. What is imported through
such a module, as `from qatflow import quantize`, is followed to where it comes from."""

COUNTED: Mapping[str, Sequence[str]] = {
    "PIL": ("pillow",),  # decodes and resizes images
    "ai_edge_litert": ("ai-edge-litert",),  # kernels, and the layout of flatbuffers
    "flatbuffers": ("flatbuffers",),  # packs models
    "jinja2": ("jinja2",),  # fills in pages
    "markupsafe": ("markupsafe",),  # escapes in pages
    "matplotlib": ("matplotlib",),  # draws
    "numpy": ("numpy",),  # sums, and streams of random numbers
    "optuna": ("optuna",),  # proposes trials
    "scipy": ("scipy",),  # tests and optimizers
    "shap": ("shap", "scikit-learn", "scipy"),  # samples and fits
    "sklearn": ("scikit-learn", "scipy"),  # scores, and data sets that it brings
    "tensorflow": ("tensorflow",),  # trains and converts
    "tensorflow_model_optimization": ("tensorflow-model-optimization", "tf-keras", "tensorflow"),  # wraps layers
    "tf_keras": ("tf-keras", "tensorflow"),  # builds and trains
    "zstandard": ("zstandard",),  # compresses; the size is a figure
}
"""Packages, by the name they are imported as, whose versions count: them, and what they compute with."""

IDLE = frozenset(
    {
        *("dask", "distributed", "dvc", "dvc_data", "mlflow", "prefect", "prefect_dask"),  # arrange and record
        *("confluent_kafka", "fastapi", "httpx", "redis", "requests", "sqlalchemy", "uvicorn", "uvloop"),  # transport
        *("prometheus_client", "psutil", "rich", "threadpoolctl", "typer"),  # watch this process, and show
        *("cryptography", "model_signing"),  # sign bytes that are there
        *("h5py", "orjson", "pydantic", "ruamel"),  # read and write values exactly, or refuse them
    }
)
"""Packages that change no byte of a model, figure or page. One that stands in neither list, as a user's own, counts."""


@dataclass(frozen=True)
class Code:
    """What code an entry module runs.

    Attributes:
        digest: Of all the following.
        modules: Module -> digest of its syntax tree.
        files: `package:path` -> SHA-256 of a file that is no Python, in a package among the modules.
        packages: Name -> version; `missing` where it is not installed.
    """

    digest: str = field(init=False)
    modules: Mapping[str, str]
    files: Mapping[str, str]
    packages: Mapping[str, str]

    def __post_init__(self) -> None:
        parts = [dict(part) for part in (self.modules, self.files, self.packages)]
        object.__setattr__(self, "digest", artifacts.digest(parts))

    def since(self, earlier: "Code") -> tuple[str, ...]:
        """Say in words what is not as it was; nothing where both are the same."""
        code = _changes({**earlier.modules, **earlier.files}, {**self.modules, **self.files})
        before, now = earlier.packages, self.packages
        changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
        versions = [f"{name} {before.get(name, 'unused')} -> {now.get(name, 'unused')}" for name in changed]
        return (*code, *versions)


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"{name} {'is new' if name not in before else 'is gone' if name not in now else 'changed'}"


def code_digest(*entries: str | Path, project: Path | None = None, packages: Mapping[str, Path] | None = None) -> Code:
    """Return what code runs when modules are imported and called.

    Args:
        entries: Modules, by name or as files.
        project: Folder of the user's project: modules below it (`tasks`, plugins) are followed too.
        packages: Name -> folder of other packages to be followed, as plugins that are installed.

    Raises:
        CodeError: If an entry does not exist, or a file is no Python.
    """
    walk = _Walk(project, packages or {})
    for entry in entries:
        walk.enter(entry)
    modules = {name: source.digest for name, (_, source) in sorted(walk.found.items())}
    versions = {name: _version(name) for name in sorted(_distributions(walk.foreign))}
    return Code(modules, dict(sorted(walk.files())), versions)


class _Walk:
    """The modules found so far, and those of others that they import."""

    def __init__(self, project: Path | None, packages: Mapping[str, Path]) -> None:
        self._roots, self._project = {"qatflow": PACKAGE, **packages}, project
        self.found: dict[str, tuple[Path, Source]] = {}
        self._imported: set[str] = set()
        self._asked: set[tuple[str, str]] = set()
        self._paths: dict[str, Path | None] = {}

    @property
    def foreign(self) -> set[str]:
        """Packages that are imported, but not followed."""
        return self._imported - {name.partition(".")[0] for name in (*self.found, *self._roots)}

    def enter(self, entry: str | Path) -> None:
        """Follow all that an entry imports; it counts itself, and the packages that it lies in."""
        name = self._name_of(entry) if isinstance(entry, Path) else entry
        path = entry if isinstance(entry, Path) else self._path(name)
        if path is None:
            near = nearest(name, self._siblings(name.rpartition(".")[0]))
            raise CodeError(f"There is no module '{name}' in {self._project or PACKAGE}.{near}")
        waiting = [*_parents(name), (name, "")]
        self._take(name, path, waiting)
        while waiting:
            module, asked = waiting.pop()
            if (module, asked) not in self._asked:
                self._asked.add((module, asked))
                self._visit(module, asked, waiting)

    def _visit(self, module: str, asked: str, waiting: list[tuple[str, str]]) -> None:
        """Follow an import of a module, or of a name from one: a module in it, or what it has from elsewhere."""
        path = self._path(module)
        self._imported.add(module.partition(".")[0])
        if not _stopped(module):
            waiting += _parents(module)
            if path:
                self._take(module, path, waiting)
        if asked == "*":
            waiting += [(name, "") for name in self._siblings(module)]
        elif asked and self._path(f"{module}.{asked}"):
            waiting.append((f"{module}.{asked}", ""))
        elif asked and path and asked in (homes := read(path).homes):
            waiting += _resolved(homes[asked], module, path)

    def _take(self, name: str, path: Path, waiting: list[tuple[str, str]]) -> None:
        if name not in self.found:
            source = read(path)
            self.found[name] = path, source
            for statement in source.imports:
                waiting += _resolved(statement, name, path)

    def files(self) -> Iterator[tuple[str, str]]:
        """Give the files that are no Python, of the packages found."""
        for name, (path, _) in self.found.items():
            if path.name == "__init__.py":
                for file in _data(path.parent):
                    yield f"{name}:{file.relative_to(path.parent).as_posix()}", artifacts.sha256_file(file)

    def _path(self, module: str) -> Path | None:
        """Return the file of a module that is followed; None if there is none, or it is somebody else's."""
        if module not in self._paths:
            base = self._base(module)
            candidates = () if base is None else (base / "__init__.py", base.with_name(f"{base.name}.py"), base)
            found = (path for path in candidates if path.suffix == ".py" and path.is_file())
            self._paths[module] = next(found, None)
        return self._paths[module]

    def _base(self, module: str) -> Path | None:
        top, _, rest = module.partition(".")
        root = self._roots.get(top) or (self._project / top if self._project else None)
        return root.joinpath(*rest.split(".")) if root and rest else root

    def _siblings(self, package: str) -> list[str]:
        base = self._base(package)
        names = [path.stem for path in base.glob("[!_.]*")] if base and base.is_dir() else []
        return [f"{package}.{name}" for name in sorted(set(names)) if self._path(f"{package}.{name}")]

    def _name_of(self, file: Path) -> str:
        file = file.resolve()
        for top, root in (*self._roots.items(), ("", self._project)):
            if root and file.is_relative_to(root.resolve()):
                parts = (top, *file.relative_to(root.resolve()).with_suffix("").parts)
                return ".".join(part for part in parts if part not in {"", "__init__"})
        return file.stem


def _parents(module: str) -> list[tuple[str, str]]:
    parts = module.split(".")
    return [(".".join(parts[:depth]), "") for depth in range(1, len(parts))]


def _resolved(statement: Import, module: str, path: Path) -> Iterator[tuple[str, str]]:
    """Give what an import that stands in `module` asks for, as pairs of a module and a name of it, if any."""
    name = statement.module
    if statement.level:
        parts = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
        base = parts[: len(parts) - statement.level + 1]
        name = ".".join((*base, *filter(None, [name])))
    if name:
        yield from ((name, asked) for asked in ("", *statement.names))


@cache
def _stopped(module: str) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in STOPS)


def _data(package: Path) -> Iterator[Path]:
    """Give the files of a package at any depth, but Python's own, hidden ones and those of packages in it."""
    for path in sorted(package.iterdir()):
        if path.name.startswith((".", "__pycache__")) or path.name.endswith("~"):
            continue
        if path.is_dir():
            if not (path / "__init__.py").exists():
                yield from _data(path)
        elif path.suffix not in {".py", ".pyc", ".pyi"} and path.name != "py.typed":
            yield path


def _distributions(imported: Iterable[str]) -> set[str]:
    """Return the packages of others whose versions count, of those imported."""
    counts = (name for name in imported if name not in IDLE and name not in sys.stdlib_module_names)
    return {package for name in counts for package in COUNTED.get(name, (name,))}


def _version(package: str) -> str:
    """Return a version; where an import's name is not the package's, or another package stands in, with its name."""
    try:
        return version(package)
    except PackageNotFoundError:
        homes = _homes(tuple(sys.path)).get(package.replace("-", "_"), ())
        return ", ".join(sorted(f"{home} {version(home)}" for home in set(homes))) or "missing"


@cache
def _homes(path: tuple[str, ...]) -> Mapping[str, Sequence[str]]:  # noqa: ARG001 (part of the cache's key)
    """Return the packages that bring a module: read from all metadata installed, which takes a second."""
    return packages_distributions()
