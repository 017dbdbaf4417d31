"""Checkpoints of a course: one folder each, sealed by a manifest and named by a rename, which come last."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.errors import ArtifactError, ModelError

ARRAYS, FACTS, MODEL = "arrays.npz", "facts.json", "model.tflite"
SCHEMA = 2
"""Of the facts; 1 had no classes."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a course is at one moment.

    Attributes:
        number: Of the checkpoint, from 0.
        arrays: Names with a slash after their owner -> values.
        facts: JSON, with the stream's offset.
        model: The flatbuffer that predicts.
    """

    number: int
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any]
    model: bytes


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write a checkpoint durably, and remove all but the `keep` newest. A failure leaves those before as they were.

    Raises:
        OSError: If the disk is full.
    """
    with artifacts.stage_output(checkpoint_path(folder, checkpoint.number), "online") as out:
        artifacts.save_arrays(out / ARRAYS, checkpoint.arrays)
        facts = {**checkpoint.facts, "schema": SCHEMA}
        artifacts.write_bytes(out / FACTS, orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
        artifacts.write_bytes(out / MODEL, checkpoint.model)
    for old in sorted(folder.glob("checkpoint-*"))[:-keep]:
        shutil.rmtree(old)


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that can be used, and a line for each newer one that cannot.

    Raises:
        ModelError: If there are checkpoints, but none can be used: beginning anew would learn all again.
    """
    refused: list[str] = []
    for path in sorted(folder.glob("checkpoint-*"), reverse=True):
        try:
            return read_checkpoint(path), refused
        except (ArtifactError, OSError, ValueError, KeyError) as error:
            refused.append(f"{path.name} cannot be used ({error})")
    if refused:
        raise ModelError(
            f"No checkpoint in {folder} can be used: {'; '.join(refused)}. Bring one back, or remove them all"
        )
    return None, []


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in a folder.

    Raises:
        ArtifactError: If it is not whole, or of another version of QATFlow.
    """
    artifacts.verify(path)
    arrays, facts = artifacts.load_arrays(path / ARRAYS), artifacts.read_json(path / FACTS)
    schema = facts.pop("schema", 1)
    if schema != SCHEMA:
        raise ArtifactError(f"{path} has schema {schema}; this version of QATFlow reads {SCHEMA}")
    return Checkpoint(int(facts["checkpoint"]), arrays, facts, (path / MODEL).read_bytes())


def below(owner: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of one owner."""
    return {name.removeprefix(owner + "/"): value for name, value in arrays.items() if name.startswith(owner + "/")}


def named(owner: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays with their owner's name before theirs."""
    return {f"{owner}/{name}": value for name, value in arrays.items()}


def checkpoint_path(folder: Path, number: int) -> Path:
    """Return where a checkpoint lies."""
    return folder / f"checkpoint-{number:08d}"
