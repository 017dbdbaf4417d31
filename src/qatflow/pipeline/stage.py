"""Stages: how a project declares one, what one execution of it is given, and how it runs as a program."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from qatflow import artifacts, extras, params_file
from qatflow.errors import ChangedError, QATFlowError
from qatflow.holding import held, project_lock
from qatflow.params.root import Params
from qatflow.pipeline.inputs import Inputs
from qatflow.pipeline.plugins import install
from qatflow.progress import Progress

MOST_BEGINNINGS = 3
"""So often a stage, or a run, is begun when something that it reads is edited meanwhile."""
VARIANT = "/{variant}"
"""Behind a stage's name in `reads`: the output of the same variant only."""
_BEGUN = "QATFLOW_BEGUN"


@dataclass(frozen=True)
class StageRun:
    """One execution of a stage: its project, parameters, variant (empty if it has none) and progress.

    Attributes:
        writes: Whether its output is kept. Of several workers that train together only one writes.
    """

    root: Path
    params: Params
    variant: str
    progress: Progress
    writes: bool = True

    def folder(self, stage: str, *, variant: bool = False) -> Path:
        """Return the output folder of `stage`, of this variant if asked."""
        return self.root / "artifacts" / stage / (self.variant if variant else "")

    def read(self, stage: str, *, variant: bool = False) -> Path:
        """Return the verified output folder of an earlier stage.

        Raises:
            ArtifactError: If it is missing, half written or altered.
        """
        folder = self.folder(stage, variant=variant)
        artifacts.verify(folder)
        return folder

    def write(self, stage: str, *parents: Path) -> AbstractContextManager[Path]:
        """Give an empty folder to fill; it becomes the stage's output when the block ends without an error."""
        if not self.writes:
            return _discarded()
        lineage = {parent.relative_to(self.root / "artifacts").as_posix(): parent for parent in parents}
        return artifacts.stage_output(self.folder(stage, variant=True), stage, lineage)


Function = Callable[[StageRun], None]


@dataclass(frozen=True)
class Stage:
    """A stage as a project declares it, from which `qatflow graph` writes its part of dvc.yaml.

    Attributes:
        function: Does the work; the stage has its name, and its module is `tasks.NAME`.
        reads: Stages whose outputs it reads; `quantize/{variant}` is the output of the same variant only.
        files: Parameters that name files or folders which it reads, such as `data.path`.
        params: Sections and parameters that it reads.
        variants: Whether it runs once for each of `quantize.variants`.
        cached: Whether DVC may restore its output instead of running it. Not where it acts on the world outside.
    """

    function: Function
    reads: tuple[str, ...]
    files: tuple[str, ...]
    params: tuple[str, ...]
    variants: bool
    cached: bool

    @property
    def name(self) -> str:
        """Return the name in dvc.yaml, the function's."""
        return self.function.__name__

    def __call__(self, run: StageRun) -> None:
        """Do the work."""
        self.function(run)


def stage(
    *,
    reads: Sequence[str] = (),
    files: Sequence[str] = (),
    params: Sequence[str] = (),
    variants: bool = False,
    cached: bool = True,
) -> Callable[[Function], Stage]:
    """Make a function a stage; see `Stage` for what is declared.

    >>> @stage(reads=["prepare"], params=["seed"])
    ... def count(run: StageRun) -> None:
    ...     with run.write("count", run.read("prepare")) as out:
    ...         artifacts.write_text(out / "seed.txt", str(run.params.seed))
    >>> count.name
    'count'
    """

    def declare(function: Function) -> Stage:
        return Stage(function, tuple(reads), tuple(files), tuple(params), variants, cached)

    return declare


@contextmanager
def _discarded() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        yield Path(folder)


def execute(stage: Stage, root: Path, variant: str, progress: Progress) -> None:
    """Run a stage of a project.

    Raises:
        QATFlowError: If parameters or inputs are not right, the disk is full, or a package is missing.
        ChangedError: If something that it reads was edited meanwhile.
    """
    params = params_file.load(root / "params.yaml")
    inputs = Inputs(root, stage.name, variant, params)
    install(stage.name, params.plugins, root)

    def watched(label: str, done: int, total: int) -> None:
        inputs.check_params()
        progress(label, done, total)

    try:
        with extras.named(f"Stage '{stage.name}' of the pipeline"):
            stage(StageRun(root, params, variant, watched))
        inputs.check()
    except OSError as error:
        if error.errno is None:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise QATFlowError(
            f"{os.strerror(error.errno)}{where}. Mend this and run again: finished stages are kept."
        ) from error


def main(stage: Stage) -> None:
    """Run a stage as a program: `python -m tasks.NAME [--variant NAME]`; a user's mistake ends without a traceback.

    Where something that it reads was edited meanwhile it begins again, as a new process, since code may be among it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="")
    root = Path.cwd()
    try:
        with held(project_lock(root), "`dvc repro`"):
            execute(stage, root, parser.parse_args().variant, _print_progress)
    except ChangedError as error:
        begun = int(os.environ.get(_BEGUN, "1"))
        if begun == MOST_BEGINNINGS:
            sys.exit(f"Error: {error} It was begun {begun} times; end your edits, and run again.")
        sys.stdout.write(f"{error} It begins again.\n")
        sys.stdout.flush()
        os.environ[_BEGUN] = str(begun + 1)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (our own interpreter)
    except QATFlowError as error:
        sys.exit(f"Error: {error}")


def _print_progress(label: str, done: int, total: int) -> None:
    """One line for each finished tenth, which reads well in a log."""
    if total and (done * 10 // total) > ((done - 1) * 10 // total):
        sys.stdout.write(f"  {label}: {done}/{total}\n")
        sys.stdout.flush()
