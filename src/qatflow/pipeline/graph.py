"""DVC as a library: the graph of dvc.yaml, what is stale, and running one stage exactly as `dvc repro` would.

The one door to DVC. `Repo.reproduce` does all the deciding (status, run-cache, lock file); only the last step, starting
the stage's command in a shell, is replaced by a function of ours. So the flow and `dvc repro` cannot disagree.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qatflow import artifacts
from qatflow.errors import ArtifactError, QATFlowError, StageError
from qatflow.pipeline.dvc_yaml import PROGRAM
from qatflow.pipeline.inputs import CODE, GRAPH

if TYPE_CHECKING:
    from dvc.repo import Repo

NEVER = "never ran"
"""Why a stage is stale whose outputs dvc.lock does not know."""
DATA = ".dvc"
"""What names of tracked data end in."""
LISTED = 6
"""Most names in one reason."""
Execute = Callable[[str], None]
"""Runs a stage, such as `convert@ptq_w8a8`; raises if it fails."""


class Graph:
    """The stages of a project. Not thread-safe: one stage at a time, as in DVC itself."""

    def __init__(self, root: Path) -> None:
        """Open the project at `root`.

        Raises:
            StageError: If there is no DVC project, or its dvc.yaml is not right.
        """
        check_path(root)
        if os.environ.get("DVC_STAGE"):
            raise StageError("This runs inside a stage of `dvc repro`; a stage must not run the graph again")
        self.root = root
        self.repo = _open(root)

    def stages(self) -> list[str]:
        """Return the stages' names in an order in which each follows what it depends on."""
        return list(self._outputs)

    def stale(self) -> dict[str, str]:
        """Return what would run now: stage -> why. A stage behind a stale one is stale too."""
        with self._inside():
            stages = self._ordered()
            known = {stage.addressing for stage in stages if any(out.hash_info for out in stage.outs)}  # in dvc.lock
            changed = {name: _why(changes) if name in known else NEVER for name, changes in self.repo.status().items()}
            for stage in stages:
                causes = [parent.addressing for parent in self.repo.index.graph.successors(stage)]
                behind = next((name for name in causes if name in changed), None)
                if behind and stage.addressing not in changed:
                    changed[stage.addressing] = f"follows {behind}"
            names = [stage.addressing for stage in stages]
        return {name: changed[name] for name in names if name in changed}

    def ensure(self, name: str, execute: Execute, *, unchanged: bool = False) -> str:
        """Bring one stage up to date; return "fresh", "restored" (from DVC's cache), "tracked" (new data) or "ran".

        What DVC calls fresh or restored is checked against our own digests, since DVC trusts its cache files: an
        altered copy is thrown away, in the cache too, and the stage runs again.

        Args:
            name: The stage.
            execute: Runs it.
            unchanged: The caller knows from `stale` that nothing changed, so DVC need not look again.

        Raises:
            QATFlowError: What `execute` raised, or why DVC could not run the stage.
        """
        outcome = "fresh" if unchanged else self._reproduce(name, execute, force=False)
        try:
            self._verify(name)
        except ArtifactError:
            self._evict(name)
            outcome = self._reproduce(name, execute, force=True)
        return outcome

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """DVC names stages relative to the current folder; in the project's own they are as in dvc.yaml."""
        with chdir(self.root), _plain_errors():
            yield

    def _ordered(self) -> list[Any]:
        """Return the stages of the project's own dvc.yaml, and the data that they depend on.

        Not those of other folders, such as snapshots of online learning, which are made again when somebody asks.
        """
        from dvc.repo.reproduce import plan_repro

        graph = self.repo.index.graph
        stages, own = list(plan_repro(graph)), self.root.resolve() / "dvc.yaml"
        wanted = {stage for stage in stages if Path(stage.path) == own}
        for stage in reversed(stages):  # what follows comes before what it depends on
            if stage in wanted:
                wanted.update(graph.successors(stage))
        return [stage for stage in stages if stage in wanted]

    @cached_property
    def _outputs(self) -> dict[str, list[Path]]:
        """Output folders by stage, collected once: DVC reads its files anew for every question."""
        with self._inside():
            return {stage.addressing: [Path(out.fs_path) for out in stage.outs] for stage in self._ordered()}

    def _reproduce(self, name: str, execute: Execute, *, force: bool) -> str:
        ran: list[str] = []

        def run(stage: str) -> None:
            execute(stage)
            ran.append(stage)

        with self._inside(), _executor(run):
            done = self.repo.reproduce(targets=[name], single_item=True, force=force)
        if ran:
            return "ran"
        if done and name.endswith(DATA):
            return "tracked"
        return "restored" if done else "fresh"

    def _verify(self, name: str) -> None:
        for path in self._outputs[name]:
            if (path / artifacts.MANIFEST).exists():
                artifacts.verify(path)

    def _evict(self, name: str) -> None:
        """Delete cache files of a stage's outputs whose content is not what their name says."""
        from dvc_data.hashfile.hash import file_md5

        with self._inside():
            stage = next(stage for stage in self._ordered() if stage.addressing == name)
        for out in (out for out in stage.outs if out.use_cache):
            for _, _, oid in out.get_obj() or []:
                path = Path(out.cache.oid_to_path(oid.value))
                if path.exists() and file_md5(str(path), out.cache.fs) != oid.value:
                    path.unlink()


def check_path(root: Path) -> None:
    """Check that DVC can work in a folder.

    Raises:
        StageError: If its path holds bytes that are no UTF-8, which DVC cannot keep.
    """
    try:
        os.fsencode(root.absolute()).decode()
    except UnicodeDecodeError:
        shown = os.fsencode(root.absolute()).decode(errors="replace")
        raise StageError(f"DVC cannot work in {shown}: a name in this path is no UTF-8; rename that folder") from None


@contextmanager
def shadow(root: Path) -> Iterator[Path]:
    """Give a passing copy of a project: same data, outputs and cache, but parameters and lock file of its own.

    Changes to the copy's params.yaml can be planned there; nothing in the project is touched.
    """
    with tempfile.TemporaryDirectory(prefix="qatflow-plan-") as folder:
        copy = Path(folder)
        for entry in root.iterdir():
            if entry.name in {"params.yaml", GRAPH, CODE, "dvc.lock", ".dvcignore"}:
                (copy / entry.name).write_bytes(entry.read_bytes())
            elif entry.name not in {".dvc", ".git"}:
                (copy / entry.name).symlink_to(entry)
        (copy / ".dvc").mkdir()
        config = f"[core]\n    no_scm = true\n[cache]\n    dir = {root}/.dvc/cache\n"
        (copy / ".dvc" / "config").write_text(config)
        yield copy


def _open(root: Path) -> Repo:
    from dvc.repo import Repo

    with _plain_errors():
        repo = Repo(str(root))
        _clear_torn_lock(repo)
        return repo


def _clear_torn_lock(repo: Repo) -> None:
    """Remove DVC's list of who reads and writes what if a killed process left half of it: DVC would refuse for good."""
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    path = Path(repo.tmp_dir or "") / RWLOCK_FILE
    if not path.is_file():
        return
    with make_lock(str(path.with_name(RWLOCK_LOCK)), tmp_dir=repo.tmp_dir, hardlink_lock=False):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            path.unlink()


def _why(changes: list[Any]) -> str:
    """Put DVC's status of one stage in a few words."""
    words = []
    for change in changes:
        for kind, what in change.items() if isinstance(change, dict) else [(change, None)]:
            names = (
                [str(name) for value in what.values() for name in (value if isinstance(value, dict) else [])]
                if what
                else []
            )
            words.append(kind if not what else f"{kind}: {_some(names or list(what))}")
    return "; ".join(words)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


@contextmanager
def _executor(run: Execute) -> Iterator[None]:
    """Let DVC start stages through `run` instead of a shell, for declared stages only."""
    from dvc.stage import run as dvc_run

    shell = dvc_run.cmd_run

    def start(stage: Any, dry: bool = False, run_env: Any = None) -> None:
        if dry or not stage.cmd.startswith(PROGRAM):
            shell(stage, dry=dry, run_env=run_env)
        else:
            run(stage.addressing)

    dvc_run.cmd_run = start
    try:
        yield
    finally:
        dvc_run.cmd_run = shell


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn DVC's errors into ours, and give back ours that DVC wrapped."""
    from dvc.exceptions import DvcException

    try:
        yield
    except DvcException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, QATFlowError):
            cause = cause.__cause__
        raise cause or StageError(_chain(error)) from None


def _chain(error: BaseException) -> str:
    """Join the messages of an error and its causes."""
    messages = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        messages.append(str(error))
    return ": ".join(message for message in messages if message)
