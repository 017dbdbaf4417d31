"""Plugins: members of a registry that a project, or a package that is installed beside qatflow, adds by name.

A project names them in section `plugins` of params.yaml; a package declares entry points in the groups
`qatflow.architectures`, `qatflow.sources`, `qatflow.strategies` and `qatflow.gates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from qatflow.errors import ParamsError
from qatflow.params.plugins import PluginParams

OF_STAGE: Mapping[str, tuple[str, ...]] = {
    "prepare": ("sources",),
    "pretrain": ("architectures",),
    "quantize": ("strategies",),
    "convert": ("strategies",),
    "release": ("gates",),
}
"""Which registries a stage asks; so a stage imports, and depends on, the code of no other plugin."""
_BUILT_IN: dict[str, frozenset[str]] = {}


def install(stage: str, plugins: PluginParams, root: Path) -> None:
    """Put the plugins that a stage may ask for into their registries.

    Raises:
        ParamsError: If one is not where it is said to be, or has the name of a built-in member.
    """
    for kind in OF_STAGE.get(stage, ()):
        named = located(kind, plugins)
        if not named:
            continue
        registry = _registry(kind)
        built_in = _BUILT_IN.setdefault(kind, frozenset(registry))
        for name, location in named.items():
            if name in built_in:
                raise ParamsError(f"plugins.{kind}.{name}: that name is taken by a built-in one; choose another")
            registry[name] = _found(f"plugins.{kind}.{name}", location, root)


def files_of(stage: str, plugins: PluginParams, root: Path) -> list[Path]:
    """Return the files of the plugins that a stage may ask for: their code is the stage's code too."""
    places = [place for kind in OF_STAGE.get(stage, ()) for place in located(kind, plugins).values()]
    return sorted({_file(place.partition(":")[0], root) for place in places})


def located(kind: str, plugins: PluginParams) -> dict[str, str]:
    """Return name -> place of the plugins of a kind, those of installed packages among them."""
    named: Mapping[str, str] = getattr(plugins, kind)
    return {point.name: point.value for point in entry_points(group=f"qatflow.{kind}")} | dict(named)


def _registry(kind: str) -> dict[str, Any]:
    registry: Any
    if kind == "sources":
        from qatflow.data import SOURCES

        registry = SOURCES
    elif kind == "architectures":
        from qatflow.models import ARCHITECTURES

        registry = ARCHITECTURES
    elif kind == "strategies":
        from qatflow.quantization import STRATEGIES

        registry = STRATEGIES
    else:
        from qatflow.release.gates import GATES

        registry = GATES
    return cast("dict[str, Any]", registry)


def _found(where: str, location: str, root: Path) -> Any:
    place, _, name = location.partition(":")
    try:
        return getattr(_module(place, root), name)
    except (ImportError, AttributeError, OSError) as error:
        raise ParamsError(f"{where}: there is no {location} ({error})") from None


def _module(place: str, root: Path) -> ModuleType:
    return _from_file(root / place) if place.endswith(".py") else import_module(place)


@cache
def _from_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"qatflow_plugin_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"{path} does not exist")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _file(place: str, root: Path) -> Path:
    """Return where the code of a plugin lies.

    Raises:
        ParamsError: If there is none.
    """
    if place.endswith(".py"):
        return root / place
    try:
        spec = find_spec(place)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        raise ParamsError(f"section plugins names the module '{place}', which is not installed here")
    return Path(spec.origin)
