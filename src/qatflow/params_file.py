"""Reads and edits params.yaml: YAML 1.2, so `1e-3` is a number; no tags, no aliases; comments survive edits."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import (
    AliasToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
)

from qatflow.artifacts import write_text
from qatflow.errors import ParamsError, nearest
from qatflow.params.checks import check
from qatflow.params.root import Params, known_keys

MAX_BYTES, MAX_TOKENS, MAX_DEPTH = 256 << 10, 50_000, 20
"""Of a parameter file. The parser's time grows with the square of the depth, and its recursion with the depth."""
SHOWN_FAULTS = 20
OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)


class _Representer(RoundTripRepresenter):
    """Writes null as a word; ruamel's own would leave the value empty."""

    def represent_null(self, _: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_null)


def load(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        ParamsError: If the file is missing, no YAML, or holds an unknown key or a bad value.
    """
    return validate(_parse(_read(path), path, "safe"), path)


def validate(tree: Any, path: Path) -> Params:
    """Turn parsed YAML into `Params`.

    Raises:
        ParamsError: With one line for each of the first faults: where, what was found, what would be right.
    """
    try:
        params = Params.model_validate(tree if tree is not None else {})
        check(params, path.parent)
    except ValidationError as error:
        found = error.errors()
        faults = "\n".join(f"  {_explain(fault)}" for fault in found[:SHOWN_FAULTS])
        more = f"\n  … and {len(found) - SHOWN_FAULTS} more" if len(found) > SHOWN_FAULTS else ""
        raise ParamsError(f"{path} is not right:\n{faults}{more}") from None
    except ParamsError as error:
        raise ParamsError(f"{path} is not right:\n{error}") from None
    return params


def edit(path: Path, changes: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Set dotted keys in the file, keeping comments, if the result is valid; return key -> (old, new) of real changes.

    Raises:
        ParamsError: If a key is unknown or the result is not valid; the file is then untouched.
    """
    text, done = edited(path, changes)
    if done:
        write_text(path, text)
    return done


def edited(path: Path, changes: Mapping[str, Any]) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """Return what `edit` would write, and what it would return.

    Raises:
        ParamsError: As `edit`.
    """
    tree = _parse(_read(path), path, "rt") or {}
    done = {key: (_set(tree, key, value), value) for key, value in changes.items()}
    text = io.StringIO()
    _yaml("rt").dump(tree, text)
    validate(_parse(text.getvalue(), path, "safe"), path)
    return text.getvalue(), {key: pair for key, pair in done.items() if pair[0] != pair[1]}


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse `a.b=value` words; values are YAML.

    Raises:
        ParamsError: If a word has no `=`, or its value is no YAML.
    """
    changes = {}
    for word in assignments:
        key, equals, value = word.partition("=")
        if not equals:
            raise ParamsError(f"--set {word}: expected NAME=VALUE, such as pretrain.epochs=5")
        changes[key.strip()] = _parse(value, Path(f"--set {word}"), "safe")
    return changes


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested sections into dotted keys; lists and gate settings stay values."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def read_tree(path: Path) -> dict[str, Any]:
    """Read a (possibly partial) parameter file as plain values, unchecked.

    Raises:
        ParamsError: If the file cannot be read, or is not a mapping.
    """
    tree = _parse(_read(path), path, "safe") or {}
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} holds {type(tree).__name__}, expected sections such as 'data:' and 'model:'")
    return tree


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ParamsError(f"{path} has {size} bytes; a parameter file may have at most {MAX_BYTES}")
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ParamsError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _yaml(kind: str) -> YAML:
    yaml = YAML(typ=kind, pure=True)
    yaml.version = (1, 2) if kind == "safe" else None
    yaml.preserve_quotes = True
    if kind == "rt":
        yaml.Representer = _Representer
    yaml.width = 160
    return yaml


def _parse(text: str, path: Path, kind: str) -> Any:
    try:
        _check(text, path)
        return _yaml(kind).load(text)
    except ParamsError:
        raise
    except Exception as error:  # noqa: BLE001 (values too are turned here: a date without a month is a ValueError)
        reason = " ".join(str(error).split())[:300]
        raise ParamsError(f"{path} is not plain YAML: {reason}") from None


def _check(text: str, path: Path) -> None:
    """Raise ParamsError for what no parameters need: aliases, which make little text large, deep nesting, many values.

    It looks at one token after the other and stops at the first that is too much, so that no text takes long.
    """
    depth = 0
    for count, token in enumerate(_yaml("safe").scan(text)):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if isinstance(token, AliasToken):
            raise ParamsError(f"{path}: YAML aliases (*name) are not allowed in parameters; write the value out")
        if depth > MAX_DEPTH:
            line = token.start_mark.line + 1
            raise ParamsError(f"{path} line {line}: sections nest deeper than {MAX_DEPTH}; parameters need four levels")
        if count > MAX_TOKENS:
            raise ParamsError(
                f"{path} holds more than {MAX_TOKENS} keys and values, far more than there are parameters"
            )


def _set(tree: Any, key: str, value: Any) -> Any:
    keys = list(known_keys())
    if key not in keys and not key.startswith("release.gates."):
        raise ParamsError(f"Unknown parameter '{key}'.{nearest(key, keys)}")
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(tree.setdefault(parent, {}), dict):
            raise ParamsError(f"'{key}': '{parent}' is a value, not a section")
        tree = tree[parent]
    old = tree.get(last)
    tree[last] = value
    return old


def _explain(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown parameter.{nearest(where, known_keys())}"
    message = fault["msg"].removeprefix("Value error, ")
    if where and not isinstance(fault["input"], dict):
        return f"{where}: {message}, but it is {fault['input']!r:.200}"
    return f"{where}: {message}".removeprefix(": ")
