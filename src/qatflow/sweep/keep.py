"""Keeps what is finished, below .qatflow/sweep/: each entry a sealed folder named by the digest of what made it.

Several processes may make the same entry together: each fills a folder of its own, the first to rename it wins.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import ArtifactError
from qatflow.holding import held
from qatflow.sweep.result import TrialResult

FLATBUFFER = "model.tflite"


def home(root: Path) -> Path:
    """Return the folder of all that sweeps keep."""
    return root / ".qatflow" / "sweep"


def trial_folder(root: Path, key: str) -> Path:
    """Return the folder of one finished trial: result.json, and on the machine that trained it, the flatbuffer."""
    return home(root) / "trials" / key[:32]


def is_kept(folder: Path) -> bool:
    """Tell whether there is a whole entry; a damaged one is removed."""
    if not folder.exists():
        return False
    try:
        artifacts.verify(folder)
    except ArtifactError:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


@contextmanager
def kept(folder: Path, kind: str) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `folder`, unless another process was first, whose entry then stays."""
    aside = folder.with_name(f"{folder.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with artifacts.stage_output(aside, kind) as out:
            yield out
        try:
            aside.rename(folder)
        except OSError:
            if not is_kept(folder):
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Let no other sweep of this project run during the block; first remove what killed ones left unfinished.

    Raises:
        StageError: If one runs.
    """
    with held(home(root) / "lock", "another sweep"):
        _clean(root)
        yield


def read_result(root: Path, key: str) -> TrialResult | None:
    """Return the result of a finished trial, None if there is none."""
    folder = trial_folder(root, key)
    return TrialResult.read(folder) if is_kept(folder) else None


def keep_result(root: Path, key: str, result: TrialResult, flatbuffer: bytes | None = None) -> None:
    """Keep the result of a trial, and its flatbuffer if it is at hand; an entry that is there stays."""
    folder = trial_folder(root, key)
    if is_kept(folder):
        return
    with kept(folder, "trial") as out:
        result.write(out)
        if flatbuffer is not None:
            artifacts.write_bytes(out / FLATBUFFER, flatbuffer)


def _clean(root: Path) -> None:
    for pattern in ("*/.*.partial", "*/*-*-*", "checkpoints-*"):
        for leftover in home(root).glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)
