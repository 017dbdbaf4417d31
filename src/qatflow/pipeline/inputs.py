"""Whether what a stage read is still there at its end. DVC writes into dvc.lock what it finds then, whatever was read.

So a parameter, a data file or code that is edited meanwhile (for the next experiment, say) would be recorded as what
made this model. Such a stage is begun again instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from qatflow import params_file
from qatflow.artifacts import fingerprint, read_json
from qatflow.errors import ChangedError, ParamsError, StageError
from qatflow.identity import code_digest
from qatflow.params.checks import value_of
from qatflow.params.root import Params
from qatflow.pipeline.plugins import files_of

GRAPH, CODE = "dvc.yaml", "code.json"
FILE = "params.yaml"


class Inputs:
    """What one execution of a stage reads, as dvc.yaml declares it; nothing in a folder without one."""

    def __init__(self, root: Path, stage: str, variant: str, params: Params) -> None:
        """Note how everything is now."""
        declared = _declared(root, stage)
        self._root, self._params = root, params
        self._stage, self._keys = stage, _keys(declared)
        self._paths = [_filled_in(dep, params, variant) for dep in declared.get("deps", [])]
        self._file = fingerprint(root / FILE)
        self._seen = {path: fingerprint(root / path) for path in self._paths}
        self._code = self._recorded_code(declared)

    def _recorded_code(self, declared: dict[str, Any]) -> str | None:
        """Return the digest of this stage's code, if dvc.yaml asks for one.

        Raises:
            StageError: If DVC knows another: it would record the new output as the work of the old code.
        """
        if not any(isinstance(entry, dict) and CODE in entry for entry in declared.get("params", [])):
            return None
        code, known = code_of(self._root, self._stage, self._params), recorded_code(self._root).get(self._stage)
        if code != known:
            raise StageError(
                f"The code of stage {self._stage} is not what {CODE} says: qatflow, a package, or tasks/ changed. "
                "`qatflow status` writes it anew and says what will run again; then run again"
            )
        return code

    def check_params(self) -> None:
        """Check, as often as one likes, that no parameter of this stage was edited. One half edited is not looked at.

        Raises:
            ChangedError: If one was.
        """
        now = fingerprint(self._root / FILE)
        if now == self._file:
            return
        try:
            params = params_file.load(self._root / FILE)
        except ParamsError:
            return
        self._file = now
        check_same(self._params, params, self._keys)

    def check(self) -> None:
        """Check that everything is as it was.

        Raises:
            ChangedError: If something is not.
            ParamsError: If params.yaml is not right any more.
        """
        check_same(self._params, params_file.load(self._root / FILE), self._keys)
        changed = [path for path in self._paths if fingerprint(self._root / path) != self._seen[path]]
        if self._code is not None and code_of(self._root, self._stage, self._params) != self._code:
            changed.append("its code")
        if changed:
            raise ChangedError(f"{', '.join(changed)} changed while this stage ran, so what it made is not recorded.")


def keys_of(root: Path, stage: str) -> list[str]:
    """Return the parameters that dvc.yaml declares for a stage, such as `pretrain` or `quantize@ptq_w8a8`."""
    return _keys(_declared(root, stage.partition("@")[0]))


def code_of(root: Path, stage: str, params: Params) -> str:
    """Return the digest of the code that a stage runs now, that of its plugins among it.

    Raises:
        CodeError: If its module is missing, or no Python.
    """
    plugins = files_of(stage, params.plugins, root)
    return code_digest(root / "tasks" / f"{stage}.py", *plugins, project=root).digest


def recorded_code(root: Path) -> dict[str, str]:
    """Return the digest of each stage's code as DVC knows it; nothing where code.json was not written yet."""
    path = root / CODE
    return dict(read_json(path)) if path.is_file() else {}


def values_of(root: Path, stage: str, params: Params) -> dict[str, Any]:
    """Return the values of those parameters, by dotted name; all of a stage that is not declared."""
    keys, values = keys_of(root, stage), params_file.flatten(params.model_dump(mode="json"))
    return {name: value for name, value in values.items() if not keys or _is_of(name, keys)}


def check_same(before: Params, now: Params, keys: Sequence[str]) -> None:
    """Check parameters of a stage.

    Raises:
        ChangedError: If one has another value now; the message names it.
    """
    told = [f"{name} was {was}, is {now_is}" for name, was, now_is in _differences(before, now) if _is_of(name, keys)]
    if told:
        raise ChangedError(f"{FILE} was edited meanwhile ({'; '.join(told)}), so what this stage made is not recorded.")


def _differences(before: Params, now: Params) -> Iterator[tuple[str, Any, Any]]:
    old, new = (params_file.flatten(params.model_dump(mode="json")) for params in (before, now))
    yield from ((name, old.get(name), new.get(name)) for name in old | new if old.get(name) != new.get(name))


def _is_of(name: str, keys: Sequence[str]) -> bool:
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def _keys(declared: dict[str, Any]) -> list[str]:
    """Return the parameters of params.yaml that a stage reads."""
    return [entry for entry in declared.get("params", []) if isinstance(entry, str)]


def _declared(root: Path, stage: str) -> dict[str, Any]:
    graph = root / GRAPH
    content = YAML(typ="safe", pure=True).load(graph.read_text("utf-8")) if graph.exists() else {}
    return dict(content.get("stages", {}).get(stage, {}))


def _filled_in(dep: str, params: Params, variant: str) -> str:
    """Return a dependency with its ${parameters} put in."""

    def value(found: re.Match[str]) -> str:
        return variant if found[1] == "item.variant" else str(value_of(params, found[1]))

    return re.sub(r"\$\{([\w.]+)\}", value, dep)
