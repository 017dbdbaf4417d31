"""What watching remembers from window to window and over restarts: baselines and detectors. JSON, written by rename."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from qatflow.artifacts import read_json, write_json
from qatflow.errors import ArtifactError
from qatflow.monitoring.detectors import DETECTORS
from qatflow.monitoring.drift_report import Labelled
from qatflow.monitoring.health import Baseline
from qatflow.monitoring.reference import About

STATE = "state.json"
_NEW = (
    "SELECT labels.seq, error FROM labels JOIN records ON record = records.seq JOIN models ON models.id = model "
    "WHERE labels.seq > ? AND sha256 = ? AND error IS NOT NULL ORDER BY labels.seq"
)
_LAST = (
    "SELECT error FROM labels JOIN records ON record = records.seq JOIN models ON models.id = model "
    "WHERE sha256 = ? AND error IS NOT NULL ORDER BY labels.seq DESC LIMIT ?"
)
log = logging.getLogger("qatflow.monitoring")


@dataclass(frozen=True)
class State:
    """Of one model; another model begins with another state.

    Attributes:
        baseline: Of its first window; None before.
        label_seq: Of the last label that the detectors took.
        labels: How many labels they took.
        detectors: Name -> state.
        changes: Detector -> value of `labels` when it last saw a change.
    """

    model_sha256: str
    baseline: Baseline | None = None
    label_seq: int = 0
    labels: int = 0
    detectors: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)


def load_state(folder: Path, model_sha256: str) -> State:
    """Return the state of a model; a new one if there is none, it is of another model, or it cannot be read."""
    path = folder / STATE
    if not path.is_file():
        return State(model_sha256)
    try:
        values = read_json(path)
        baseline = values.pop("baseline")
        state = State(**values, baseline=baseline and Baseline(**baseline))
    except (ArtifactError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s cannot be read (%s); baselines and detectors begin anew", path, error)
        return State(model_sha256)
    return state if state.model_sha256 == model_sha256 else State(model_sha256)


def save_state(folder: Path, state: State) -> None:
    """Write the state whole or not at all.

    Raises:
        OSError: If the disk is full or may not be written.
    """
    write_json(folder / STATE, asdict(state))


def take_labels(connection: sqlite3.Connection, state: State) -> State:
    """Return the state after all labels that have come since; each label is taken once, in the order of arrival."""
    found = connection.execute(_NEW, (state.label_seq, state.model_sha256)).fetchall()
    if not found:
        return state
    detectors = {name: make(state.detectors.get(name)) for name, make in DETECTORS.items()}
    changes = dict(state.changes)
    for count, (_, error) in enumerate(found, state.labels + 1):
        changes |= {name: count for name, detector in detectors.items() if detector.update(float(error))}
    states = {name: detector.state() for name, detector in detectors.items()}
    taken = {"label_seq": found[-1][0], "labels": state.labels + len(found)}
    return replace(state, detectors=states, changes=changes, **taken)


def labelled(connection: sqlite3.Connection, state: State, about: About, window: int) -> Labelled:
    """Return what the last `window` labels say."""
    errors = [error for (error,) in connection.execute(_LAST, (state.model_sha256, window))]
    mean = sum(errors) / len(errors) if errors else None
    ago = {name: state.labels - state.changes[name] if name in state.changes else None for name in DETECTORS}
    accuracy = 1.0 - mean if mean is not None and about.task == "classification" else None
    return Labelled(len(errors), accuracy, mean, about.score, ago)


def no_labels(about: About) -> Labelled:
    """Return what is said where no labels can be read."""
    return Labelled(0, None, None, about.score, dict.fromkeys(DETECTORS))
