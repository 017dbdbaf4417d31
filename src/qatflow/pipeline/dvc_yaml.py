"""dvc.yaml as the declared stages make it, and code.json, which tells DVC which code each stage runs.

Stages that a project's owner wrote into dvc.yaml by hand stay as they are, and so do comments. DVC reads code.json as
it reads params.yaml, so that a stage runs again when, and only when, code that it really imports computes otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from qatflow import artifacts, params_file
from qatflow.errors import ParamsError
from qatflow.pipeline.inputs import CODE, GRAPH, code_of, recorded_code
from qatflow.pipeline.project import declared_stages
from qatflow.pipeline.stage import VARIANT, Stage

PROGRAM = "python3 -m tasks."
"""Begins the command of a declared stage."""
HEAD = "# Written by `qatflow graph` from tasks/stages.py; stages of your own stay as you write them.\n"


def bring_up_to_date(root: Path) -> list[str]:
    """Write dvc.yaml and code.json of a project where they are not what its code says; return what changed.

    Raises:
        QATFlowError: If the stages, or dvc.yaml, are not right.
    """
    stages = declared_stages(root)
    return [*_write_graph(root, stages), *_write_code(root, stages)]


def _write_code(root: Path, stages: Mapping[str, Stage]) -> list[str]:
    params = params_file.load(root / "params.yaml")
    before, now = recorded_code(root), {name: code_of(root, name, params) for name in stages}
    if before != now:
        artifacts.write_json(root / CODE, now)
    return [f"code of {name} changed" for name in now if name in before and before[name] != now[name]]


def _write_graph(root: Path, stages: Mapping[str, Stage]) -> list[str]:
    path = root / GRAPH
    text = path.read_text("utf-8") if path.is_file() else HEAD + "stages: {}\n"
    content = _read(path, text)
    entries = content.setdefault("stages", {})
    wanted = {name: _entry(stage) for name, stage in stages.items()}
    gone = [name for name, entry in entries.items() if _is_declared(entry) and name not in wanted]
    changed = [name for name, entry in wanted.items() if entries.get(name) != entry]
    for name in gone:
        del entries[name]
    for name in changed:
        entries[name] = CommentedMap({key: _in_a_line(value) for key, value in wanted[name].items()})
    if gone or changed:
        artifacts.write_text(path, _dumped(content))
    return [*(f"{GRAPH}: {name} written" for name in changed), *(f"{GRAPH}: {name} removed" for name in gone)]


def _entry(stage: Stage) -> dict[str, Any]:
    """Return what stands in dvc.yaml of a stage."""
    item = "/${item.variant}" if stage.variants else ""
    reads = [f"artifacts/{name.replace(VARIANT, '/${item.variant}')}" for name in stage.reads]
    out = f"artifacts/{stage.name}{item}"
    return {
        **({"matrix": {"variant": "${quantize.variants}"}} if stage.variants else {}),
        "cmd": f"{PROGRAM}{stage.name}{' ${item}' if stage.variants else ''}",  # --variant NAME, quoted by DVC
        "deps": [*reads, *(f"${{{name}}}" for name in stage.files)],
        "params": [*stage.params, {CODE: [stage.name]}],
        "outs": [out if stage.cached else {out: {"cache": False}}],
    }


def _is_declared(entry: Any) -> bool:
    return isinstance(entry, Mapping) and str(entry.get("cmd", "")).startswith(PROGRAM)


def _read(path: Path, text: str) -> Any:
    try:
        content = _yaml().load(text)
    except YAMLError as error:
        raise ParamsError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("stages", {}), Mapping):
        raise ParamsError(f"{path} must hold a mapping with `stages`; `qatflow graph` writes one where there is none")
    return content


def _in_a_line(value: Any) -> Any:
    """Return a list or mapping that is written in one line, as long as there is room."""
    if not isinstance(value, list | dict):
        return value
    made = CommentedSeq(value) if isinstance(value, list) else CommentedMap(value)
    made.fa.set_flow_style()
    return made


def _dumped(content: Any) -> str:
    out = io.StringIO()
    _yaml().dump(content, out)
    return out.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 118
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
