"""Writes what `qatflow quantize` found as a bundle, in a folder of its own, outside of any project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import ArtifactError
from qatflow.extras import named
from qatflow.release.base import Candidate
from qatflow.release.bundle import build_bundle, load_bundle
from qatflow.release.manifest import Lineage
from qatflow.search.result import SearchResult

RESULT = "result.json"


def check_place(out: Path) -> None:
    """Check that a bundle may be written to `out`: it is new, empty, or an earlier result, which is replaced.

    Raises:
        ArtifactError: If anything else is there, or its parent cannot be written.
    """
    place = Path(out).resolve()
    if place.exists() and not _is_ours(place):
        raise ArtifactError(
            f"{out} exists and is no earlier result of `qatflow`; nothing is overwritten: choose a new folder"
        )
    parent = next(folder for folder in place.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise ArtifactError(f"{out} cannot be made: {parent} is no folder that can be written to")


@named("qatflow.save_bundle")
def save_bundle(result: SearchResult, out: Path | str) -> Path:
    """Write model.tflite, manifest.json, golden.npz, MODEL_CARD.md and result.json to `out` and return `out`.

    A failure leaves `out` as it was.

    Raises:
        ArtifactError: If `out` is neither new, empty, nor an earlier result.

    Example:
        >>> qatflow.save_bundle(result, "quantized").name
        'quantized'
    """
    parts = _candidate(result), result.data, _lineage(result), {RESULT: result.to_dict()}
    return put(Path(out), lambda folder: build_bundle(folder, *parts))


def put(out: Path, build: Callable[[Path], object]) -> Path:
    """Let `build` make a folder, put it in the place `out` and return `out`. A failure leaves `out` as it was.

    Raises:
        ArtifactError: If `out` is neither new, empty, nor an earlier result.
    """
    check_place(out)
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (place.with_name(f".{place.name}.{os.getpid()}.{end}") for end in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    try:
        build(partial)
        _swap(partial, place, old)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _is_ours(place: Path) -> bool:
    if not place.is_dir():
        return False
    if not any(place.iterdir()):
        return True
    try:
        return RESULT in load_bundle(place).manifest.files
    except ArtifactError:
        return False


def _swap(partial: Path, place: Path, old: Path) -> None:
    """Put the new folder in place of the old one; it comes back if that fails."""
    if place.exists():
        place.rename(old)
    try:
        partial.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    artifacts.fsync_directory(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _candidate(result: SearchResult) -> Candidate:
    return Candidate(
        variant=result.strategy,
        trained=result.strategy.startswith("qat_"),
        evaluation=result.evaluation,
        timings=result.timings,
        answers={},
        model=result.flatbuffer,
        is_foreign=True,
    )


def _lineage(result: SearchResult) -> Lineage:
    wanted = {"strategy": result.strategy, "seed": result.seed, "max_drop": result.goal.max_drop}
    return Lineage(
        git_commit=None,
        params_sha256=artifacts.digest(wanted),
        data_sha256=result.data.card.sha256,
        data_md5=None,
        stages={},
    )
