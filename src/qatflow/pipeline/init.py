"""Makes a project, and brings one up to date with a newer qatflow; what its owner edited is never overwritten."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qatflow import __version__, artifacts, params_file
from qatflow.errors import QATFlowError
from qatflow.holding import held, project_lock
from qatflow.params.release import ReleaseParams
from qatflow.pipeline.dvc_yaml import bring_up_to_date
from qatflow.pipeline.inputs import GRAPH
from qatflow.pipeline.template import CHECKOUT, former, template

RECORD = "qatflow.json"
"""What was written, by which version: `qatflow upgrade` tells from it what was edited since."""
NEWER = Path(".qatflow") / "upgrade"
"""Where the new form of a file lies that was edited."""
OWN_CODE = ("flows", "tasks")


@dataclass(frozen=True)
class Upgraded:
    """What an upgrade did to a project's files.

    Attributes:
        before: The version that wrote them; None if it left no record.
        written, removed, kept: Paths. Kept are those that were edited although there is something newer.
        notes: What became of dvc.yaml and the code, a sentence each.
    """

    before: str | None
    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    notes: tuple[str, ...]


def make_project(folder: Path) -> list[str]:
    """Write a new project; return its files.

    Raises:
        QATFlowError: If a file of the project's is there already; nothing is written then.
    """
    files = template()
    there = [name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if there or (folder / RECORD).exists():
        named = ", ".join(there[:6]) + (f" and {len(there) - 6} more" if len(there) > 6 else "")
        raise QATFlowError(
            f"{folder} is not empty: it has {named or RECORD}, and nothing is overwritten. Choose another folder, or, "
            "if this is a project, run `qatflow upgrade` in it"
        )
    for name, content in files.items():
        _write(folder / name, content)
    params_file.edit(folder / "params.yaml", {"release.name": _model_name(folder)})
    _version_it(folder)
    bring_up_to_date(folder)
    _record(folder, files)
    return sorted([*files, RECORD])


def upgrade_project(root: Path) -> Upgraded:
    """Bring a project's files up to date: new ones are written, unedited ones replaced, edited ones kept.

    The new form of an edited file is put below `.qatflow/upgrade`, to be compared.

    Raises:
        QATFlowError: If the project is in use, or its dvc.yaml is not right.
    """
    if root.resolve() == CHECKOUT:
        raise QATFlowError(f"{root} is qatflow's own repository; `git pull` brings it up to date")
    with held(project_lock(root), "`qatflow upgrade`"):
        record = artifacts.read_json(root / RECORD) if (root / RECORD).is_file() else {}
        known, files = record.get("files", {}), template()
        written, kept, removed = list[str](), list[str](), list[str]()
        for name, content in files.items():
            if name == GRAPH or (name in known and not (root / name).exists() and not name.startswith(OWN_CODE)):
                continue  # dvc.yaml follows from the stages; what was deleted stays so, unless flows need it
            if _same(root / name, content):
                continue
            if _is_unedited(root, name, known):
                _write(root / name, content)
                written.append(name)
            elif known.get(name) != artifacts.sha256_bytes(content):
                _write(root / NEWER / name, content)
                kept.append(name)
        for name in sorted({*known, *former()} - {*files}):
            if (root / name).is_file() and _is_unedited(root, name, known):
                (root / name).unlink()
                removed.append(name)
        notes = bring_up_to_date(root)
        if (root / "src" / "qatflow").is_dir():
            notes.append("src/ and requirements.lock are not used any more: the installed qatflow runs this project")
        _record(root, files)
    return Upgraded(record.get("qatflow"), tuple(written), tuple(removed), tuple(kept), tuple(notes))


def _is_unedited(root: Path, name: str, known: Mapping[str, str]) -> bool:
    """Return whether a file is missing, or as some release wrote it."""
    path = root / name
    if not path.is_file():
        return not path.exists()
    return artifacts.sha256_file(path) in {known.get(name), *former().get(name, [])}


def _same(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_bytes(path, content)


def _record(root: Path, files: Mapping[str, bytes]) -> None:
    digests = {name: artifacts.sha256_bytes(content) for name, content in files.items() if name != GRAPH}
    artifacts.write_json(root / RECORD, {"qatflow": __version__, "files": digests})


def _version_it(folder: Path) -> None:
    """Let git and DVC watch a folder; DVC alone where there is no git."""
    git = shutil.which("git")
    inside = git and subprocess.run(
        [git, "rev-parse", "--is-inside-work-tree"], cwd=folder, capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    if git and not inside:
        subprocess.run([git, "init", "-q"], cwd=folder, check=True)
    top = git and (folder / ".git").exists()
    lines = ["[core]", "    analytics = false", "    check_update = false", *([] if top else ["    no_scm = true"])]
    _write(folder / ".dvc" / "config", "\n".join([*lines, ""]).encode())
    _write(folder / ".dvc" / ".gitignore", b"/config.local\n/tmp\n/cache\n")


def _model_name(folder: Path) -> str:
    """Return the folder's name as a registered model may be called."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-")
    return name or str(ReleaseParams.model_fields["name"].default)
