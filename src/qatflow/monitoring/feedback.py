"""Labels that arrive later: matched with records by sample id, counted, and fed to the detectors of change."""

from __future__ import annotations

import csv
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.errors import MonitoringError
from qatflow.monitoring.records import Model, models, transaction

OUTCOMES = ("accepted", "late", "repeated", "changed", "unknown_id", "unknown_label")
MAX_FILE_BYTES = 256 << 20
_RECORD = "SELECT seq, model, class, scores, label FROM records WHERE id = ? ORDER BY seq DESC LIMIT 1"


def read_labels(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (id, label) of a CSV file with the header `id,label`; other columns are ignored.

    Raises:
        MonitoringError: If the file is missing, too large, no UTF-8 text or lacks a column; it names the line.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MonitoringError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB; split it")
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if not {"id", "label"} <= set(table.fieldnames or ()):
                raise MonitoringError(f"{path} line 1: its header is {table.fieldnames}; expected id,label")
            for row in table:
                if not row["id"] or row["label"] is None:
                    raise MonitoringError(f"{path} line {table.line_num}: expected an id and a label")
                yield row["id"], row["label"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MonitoringError(f"{path} cannot be read as CSV with the header id,label: {error}") from None


def give_labels(connection: sqlite3.Connection, pairs: Iterable[tuple[str, Any]], window: int) -> dict[str, int]:
    """Give labels to records, all in one transaction; return how many of each outcome.

    `accepted` labels are a record's first, and among them `late` ones came when the record was out of the window of
    `window` samples. A `repeated` label says what is known; a `changed` one replaces what was said before, and both
    stay in the log. `unknown_id`: there is no such record, or no longer; the id of one sample in a request of several
    is `ID/0`, `ID/1`, ... `unknown_label`: no class of the model, or no finite number.

    Raises:
        sqlite3.Error: If the records cannot be written; no label is then given.
    """
    counts = dict.fromkeys(OUTCOMES, 0)
    known, now = models(connection), time.time()
    with transaction(connection):
        newest = connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
        for name, label in pairs:
            outcome, seq = _give(connection, known, name, label, now)
            counts[outcome] += 1
            counts["late"] += outcome == "accepted" and seq <= newest - window
    return counts


def _give(
    connection: sqlite3.Connection, known: Mapping[int, Model], name: str, label: Any, now: float
) -> tuple[str, int]:
    record = connection.execute(_RECORD, (str(name),)).fetchone()
    if record is None:
        return "unknown_id", 0
    seq, model, predicted, scores, before = record
    value = resolve(known[model], label)
    if value is None:
        return "unknown_label", seq
    if before == value:
        return "repeated", seq
    error = error_of(known[model].task, value, predicted, scores)
    connection.execute("UPDATE records SET label = ? WHERE seq = ?", (value, seq))
    connection.execute(
        "INSERT INTO labels(record, time, label, error) VALUES(?, ?, ?, ?)",
        (seq, now, value, error if before is None else None),
    )
    return ("accepted" if before is None else "changed"), seq


def resolve(model: Model, label: Any) -> float | None:
    """Return a label as a number: the index of a class for its name or index, or the target; None if it is neither.

    Several labels of one sample are no number: those of multi-label models are not taken.
    """
    if model.task == "multi_label":
        return None
    if model.task == "classification" and str(label) in model.classes:
        return float(model.classes.index(str(label)))
    try:
        value = float(label)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(value) or isinstance(label, bool):
        return None
    if model.task == "classification" and not (value.is_integer() and 0 <= value < len(model.classes)):
        return None
    return value


def error_of(task: str, label: float, predicted: int | None, scores: bytes) -> float | None:
    """Return 1 for a wrong class and 0 for the right one, or the absolute error of the first output of a regression.

    None for anomaly detection, whose scores know no right and wrong, and for models that have no reference.
    """
    if task == "classification":
        return float(predicted != label)
    if task == "regression":
        return float(abs(np.frombuffer(scores, np.float32)[0] - label))
    return None
