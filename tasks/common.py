"""What every stage shares: where its inputs and output lie, and how it runs as a program. No stage's own work."""

import argparse
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from qatflow import artifacts, params_file
from qatflow.errors import ChangedError, QATFlowError
from qatflow.holding import held, project_lock
from qatflow.params.root import Params
from qatflow.progress import Progress
from tasks.unchanged import Inputs

MOST_BEGINNINGS = 3
"""So often a stage, or a run, is begun when something that it reads is edited meanwhile."""
_BEGUN = "QATFLOW_BEGUN"


@dataclass(frozen=True)
class Stage:
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


@contextmanager
def _discarded() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qatflow-") as folder:
        yield Path(folder)


def execute(run: Callable[[Stage], None], variant: str, progress: Progress) -> None:
    """Run a stage in the current project.

    Raises:
        QATFlowError: If parameters or inputs are not right, or the disk is full.
        ChangedError: If something that it reads was edited meanwhile.
    """
    root = Path.cwd()
    params = params_file.load(root / "params.yaml")
    inputs = Inputs(root, Path(inspect.getfile(inspect.unwrap(run))).stem, variant, params)

    def watched(label: str, done: int, total: int) -> None:
        inputs.check_params()
        progress(label, done, total)

    try:
        run(Stage(root, params, variant, watched))
        inputs.check()
    except OSError as error:
        if error.errno is None:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise QATFlowError(
            f"{os.strerror(error.errno)}{where}. Mend this and run again: finished stages are kept."
        ) from error


def main(run: Callable[[Stage], None]) -> None:
    """Run a stage as a program: `python -m tasks.NAME [--variant NAME]`; a user's mistake ends without a traceback.

    Where something that it reads was edited meanwhile it begins again, as a new process, since code may be among it.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="")
    try:
        with held(project_lock(Path.cwd()), "`dvc repro`"):
            execute(run, parser.parse_args().variant, _print_progress)
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
