"""Results are read by attribute: only the module that defines a type knows the names in its file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
TYPED = {"evaluation", "timings", "float_model", "receipt", "champion", "card"}
FILES = {
    "evaluation.json": "evaluation/result.py",
    "timings.json": "evaluation/result.py",
    "data_card.json": "data/card.py",
    "figures.json": "sweep/result.py",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((HOME / "src" / "qatflow").rglob("*.py")):
        yield path.relative_to(HOME / "src" / "qatflow").as_posix(), ast.parse(path.read_text())


def name_of(node: ast.expr) -> str:
    """Return the last name of `run.float_model` or `timings`."""
    return getattr(node, "attr", getattr(node, "id", ""))


def key_of(node: ast.AST) -> tuple[str, object]:
    """Return the name and the key of `name["key"]` and `name.get("key")`."""
    if isinstance(node, ast.Subscript):
        return name_of(node.value), getattr(node.slice, "value", None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        return name_of(node.func.value), getattr(node.args[0], "value", None)
    return "", None


def read_by_key(tree: ast.Module) -> list[str]:
    found = [key_of(node) for node in ast.walk(tree)]
    return [f"{name}[{key!r}]" for name, key in found if name in TYPED and isinstance(key, str)]


def test_no_result_is_read_by_key():
    assert {name: read for name, tree in modules() if (read := read_by_key(tree))} == {}


def test_no_trial_is_read_by_key():
    """`result` is a name of many things elsewhere."""
    keyed = [
        (name, key)
        for name, tree in modules()
        if "sweep" in name or name == "pipeline/dask_trials.py"
        for owner, key in map(key_of, ast.walk(tree))
        if owner == "result" and isinstance(key, str)
    ]
    assert keyed == []


def test_only_the_type_names_its_file():
    for name, tree in modules():
        said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for file in said & FILES.keys():
            assert FILES[file] == name


@pytest.mark.parametrize(
    "line",
    [
        'v.evaluation["score"]',
        'evaluation.get("float", {})',
        'one.timings["latency_us"]["p50"]',
        'run.float_model["sha256"]',
    ],
)
def test_a_reader_by_key_would_be_found(line: str):
    assert len(read_by_key(ast.parse(line))) == 1
