"""What each release came to, one line of `.qatflow/nights/<name>.jsonl`, so that a report can show the trend.

The promotion log knows only what changed the champion; a night on which it was kept is told here. Figures, no proof:
what is damaged is left out, and nothing is decided by it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qatflow.release.candidates import Inputs
from qatflow.release.receipt import Receipt

FOLDER = Path(".qatflow") / "nights"
NIGHTS = "nights.json"
MOST_KEPT = 400


@dataclass(frozen=True)
class Night:
    """One release.

    Attributes:
        inputs: Digest of what it rested on; a repeat is the same night.
        when: UTC, ISO 8601, to the second.
        decision: promoted, kept or pending.
        variant: Of the champion after it; None, as the next three, while nothing ships.
        float_score: Of the float model of this release.
        best: The highest score among the candidates.
        samples: Of the test split.
    """

    inputs: str
    when: str
    decision: str
    variant: str | None
    version: int | None
    score: float | None
    size_bytes: int | None
    float_score: float
    best: float
    samples: int


_NIGHT = TypeAdapter(Night)


def night_of(receipt: Receipt, inputs: Inputs) -> Night:
    """Return what a release came to now."""
    champion = receipt.champion
    one = next(iter(inputs.candidates.values()))
    return Night(
        inputs=inputs.digest(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        decision=receipt.decision,
        variant=receipt.variant,
        version=receipt.version,
        score=None if champion is None else champion.score,
        size_bytes=None if champion is None else champion.size_bytes,
        float_score=one.evaluation.reference.score,
        best=max(candidate.score for candidate in inputs.candidates.values()),
        samples=one.evaluation.samples,
    )


def remember(root: Path, name: str, night: Night) -> Sequence[Night]:
    """Add a night to those of the registered model `name`, and return all, oldest first, at most `MOST_KEPT`."""
    known = read_nights(root, name)
    if known and known[-1].inputs == night.inputs and known[-1].decision == night.decision:
        return known
    path = _path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() and not _ends_whole(path):
            file.write(b"\n")  # a line that a crash tore stays alone
        file.write(json.dumps(asdict(night)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return [*known, night][-MOST_KEPT:]


def read_nights(root: Path, name: str) -> Sequence[Night]:
    """Return the last nights, oldest first; none where there are none."""
    try:
        lines = _path(root, name).read_bytes().splitlines()
    except OSError:
        return []
    return [night for line in lines[-MOST_KEPT:] if (night := _parsed(line)) is not None]


def _parsed(line: bytes) -> Night | None:
    try:
        return _NIGHT.validate_json(line)
    except ValidationError:
        return None


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{name}.jsonl"
