"""dvc.yaml declares the code that each stage really imports: nothing missing, nothing superfluous."""

from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
STAGES: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]
GRAPH = grimp.build_graph("tasks", "qatflow", cache_dir=None, exclude_type_checking_imports=True)  # they run nothing


def _imported(module: str) -> set[str]:
    """Return all modules that importing `module` runs: what it imports, at any depth, and their packages."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [*GRAPH.find_modules_directly_imported_by(name), *filter(None, [name.rpartition(".")[0]])]
    return found


def _file(module: str) -> str:
    base = module.replace(".", "/") if module.startswith("tasks") else f"src/{module.replace('.', '/')}"
    return f"{base}/__init__.py" if (ROOT / base).is_dir() else f"{base}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_the_import_closure(stage: str) -> None:
    module = STAGES[stage]["cmd"].split()[2]
    imported = {_file(name) for name in _imported(module)}
    declared = {dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "tasks/"))}

    covers = {dep: {file for file in imported if file == dep or file.startswith(f"{dep}/")} for dep in declared}

    assert imported - set().union(*covers.values()) == set(), "imported, not declared in dvc.yaml"
    assert {dep for dep, files in covers.items() if not files} == set(), "declared in dvc.yaml, never imported"


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_task_of_the_same_name(stage: str) -> None:
    assert STAGES[stage]["cmd"].split()[:3] == ["python3", "-m", f"tasks.{stage}"]
    assert (ROOT / "tasks" / f"{stage}.py").is_file()


@pytest.mark.parametrize("stage", ["pretrain", "transfer", "quantize", "convert"])
def test_other_package_versions_make_other_models(stage: str) -> None:
    assert "requirements.lock" in STAGES[stage]["deps"]


@pytest.mark.parametrize("stage", ["release", "deploy"])
def test_side_effects_are_never_restored_from_a_cache(stage: str) -> None:
    assert all(settings == {"cache": False} for out in STAGES[stage]["outs"] for settings in out.values())
