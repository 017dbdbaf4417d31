"""Keeps what a released candidate was learned from, and learns it again: the same bytes, offline.

A snapshot is a folder: `start/`, the checkpoint behind the candidate before; `records/`, a spool of the records since;
`recipe.json`, what must come out; and `dvc.yaml`, whose stage makes `model.tflite` of them: `dvc repro` there rebuilds
the model, and DVC versions the records.
"""

from __future__ import annotations

import json
import shlex
import shutil
from contextlib import closing
from pathlib import Path

from qatflow import artifacts
from qatflow.errors import ArtifactError, ModelError
from qatflow.online.candidates import Judged
from qatflow.online.checkpoint import checkpoint_path, read_checkpoint
from qatflow.online.course import Course
from qatflow.online.streams import open_stream
from qatflow.online.streams.base import Stream, position

SNAPSHOTS, BASE = "snapshots", "base"
START, RECORDS, RECIPE, MODEL = "start", "records", "recipe.json", "model.tflite"
GROUP = 500
NOTE = "# `dvc repro` in this folder learns the records again and must end with the same bytes.\n"


def keep_base(folder: Path, number: int) -> None:
    """Keep a checkpoint beside the others for as long as the next candidate's window begins with it."""
    base = folder / BASE
    if not base.is_dir() or artifacts.read_json(base / "number.json") != number:
        with artifacts.stage_output(base, "online-base") as out:
            shutil.copytree(checkpoint_path(folder, number), out / START)
            artifacts.write_json(out / "number.json", number)


def take_snapshot(course: Course, stream: Stream, folder: Path, judged: Judged, quantized: Path) -> Path:
    """Write the snapshot of a candidate, unless it is there, and return its folder.

    Raises:
        OffsetGoneError: If its records are gone from the stream.
        ArtifactError: If the checkpoint that it began with is gone.
    """
    place = folder / SNAPSHOTS / judged.sha256[:16]
    if place.is_dir():
        return place
    base = folder / BASE
    artifacts.verify(base)
    with artifacts.stage_output(place, "online-snapshot") as out:
        shutil.copytree(base / START, out / START)
        _copy_records(stream, read_checkpoint(base / START).facts["offset"], judged.offset, out / RECORDS)
        wanted = {"sha256": judged.sha256, "learned": judged.learned, "segments": course.now.segments}
        recipe = {**wanted, "online": course.settings.model_dump()}
        artifacts.write_json(out / RECIPE, recipe)
        artifacts.write_text(out / "dvc.yaml", _stage(place, quantized))
        artifacts.write_text(out / ".gitignore", f"/{MODEL}\n")
    return place


def rebuild(course: Course, folder: Path) -> bytes:
    """Learn a snapshot's records again, and return the candidate.

    Args:
        course: In its first state, with the settings of the recipe.
        folder: The snapshot.

    Raises:
        ArtifactError: If the snapshot is not whole.
        ModelError: If other bytes come out: other code, data or kind of machine.
    """
    recipe = artifacts.read_json(folder / RECIPE)
    segments = {int(records): int(number) for records, number in recipe["segments"]}
    course.restore(read_checkpoint(folder / START))
    with closing(open_stream(f"spool:{folder / RECORDS}")) as stream:
        after = None
        while records := stream.read(after, GROUP):
            for record in records:
                course.take(record)
                if course.now.records in segments:
                    course.parts.learner.begin_segment(segments[course.now.records])
            after = records[-1].offset
    _, model = course.candidate()
    found = artifacts.sha256_bytes(model)
    if (found, course.now.learned) != (recipe["sha256"], recipe["learned"]):
        raise ModelError(
            f"{folder} gives {found[:12]}… after {course.now.learned} samples, not {recipe['sha256'][:12]}… after "
            f"{recipe['learned']}: the code, the data or the kind of machine is another"
        )
    return model


def _copy_records(stream: Stream, after: str | None, last: str, into: Path) -> None:
    with closing(open_stream(f"spool:{into}")) as copy:
        while records := stream.read(after, GROUP):
            wanted = [record for record in records if position(record.offset) <= position(last)]
            if wanted:
                copy.append([record.payload for record in wanted])
            if len(wanted) < len(records) or records[-1].offset == last:
                return
            after = records[-1].offset
    raise ArtifactError(f"The stream ends before record {last}, which was learned")


def _stage(place: Path, quantized: Path) -> str:
    """Return the snapshot's dvc.yaml; JSON, which is YAML, and quoted: a folder may be named anything."""
    root = quantized.parents[2]
    folder = place.resolve()
    inside = folder.is_relative_to(root.resolve())
    shown = str(folder.relative_to(root.resolve()) if inside else folder)
    up = "/".join([".."] * len(Path(shown).parts)) if inside else str(root.resolve())
    deps = [
        *(f"{shown}/{name}" for name in (RECIPE, RECORDS, START)),
        "artifacts/prepare",
        str(quantized.relative_to(root)),
    ]
    stage = {
        "wdir": up,
        "cmd": f"python3 -m tasks.rebuild {shlex.quote(shown)}",
        "deps": deps,
        "outs": [{f"{shown}/{MODEL}": {"cache": False}}],
    }
    return NOTE + json.dumps({"stages": {"rebuild": stage}}, indent=1).replace("${", "\\\\${") + "\n"
