"""Each section of the parameters has a module that knows no other section, so that code depends on its own alone."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from qatflow import params
from qatflow.params.base import Section
from qatflow.params.root import Params

PACKAGE = Path(params.__path__[0])
WHOLE = {"__init__", "root", "checks"}
"""Modules of the package that are no section's: they are for all of params.yaml."""
SECTIONS = sorted({path.stem for path in PACKAGE.glob("*.py")} - WHOLE - {"base"})


def _imported(name: str) -> set[str]:
    """Return the modules that a module imports by name, at any place in it."""
    nodes = list(ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text("utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not [part for part in parts if part.level], "a relative import"
    return plain | {f"{part.module}.{alias.name}" for part in parts for alias in part.names}


def _classes(name: str) -> list[type[Section]]:
    """Return the sections that a module defines."""
    found = vars(import_module(f"qatflow.params.{name}")).values()
    return [kind for kind in found if inspect.isclass(kind) and kind.__module__ == f"qatflow.params.{name}"]


def _held(kind: type[Section]) -> Iterator[type[Section]]:
    """Yield the sections that are fields of a section, and those it extends."""
    yield from (base for base in kind.__mro__[1:] if issubclass(base, Section))
    fields = (field.annotation for field in kind.model_fields.values())
    yield from (field for field in fields if inspect.isclass(field) and issubclass(field, Section))


def _reachable(kind: type[Section]) -> set[type[Section]]:
    return {kind}.union(*(_reachable(part) for part in _held(kind)))


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_imports_only_what_it_holds_or_extends(name: str) -> None:
    of_package = {module for module in _imported(name) if f"{module}.".startswith("qatflow.params.")}
    holds = {f"{part.__module__}.{part.__name__}" for kind in _classes(name) for part in _held(kind)}

    others = {module for module in of_package if not module.startswith("qatflow.params.base.")}

    assert others <= holds


@pytest.mark.parametrize("name", ["__init__", "base"])
def test_what_every_section_runs_imports_no_section(name: str) -> None:
    assert [module for module in _imported(name) if module.startswith("qatflow.params")] == []


def test_the_package_offers_no_second_way_to_a_section() -> None:
    assert [name for name, value in vars(params).items() if inspect.isclass(value)] == []


@pytest.mark.parametrize("name", SECTIONS)
def test_every_class_is_part_of_the_parameters(name: str) -> None:
    classes = {kind for kind in _classes(name) if not kind.__name__.startswith("_")}

    assert classes
    assert classes <= _reachable(Params)


def test_a_program_written_for_the_one_module_finds_its_names_in_the_package() -> None:
    assert params.Params is Params
    assert {getattr(params, kind.__name__) for name in SECTIONS for kind in _classes(name)} > {Params().data.__class__}
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = params.Nothing
    with pytest.raises(AttributeError, match="no attribute 'parts'"):
        _ = params.parts
