"""Looks at what a server has recorded, from another process: nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qatflow.errors import MonitoringError
from qatflow.monitoring import health
from qatflow.monitoring.drift_report import DriftReport
from qatflow.monitoring.records import Rows, labelled_rows, last_rows, models, reports
from qatflow.monitoring.reference import Reference
from qatflow.monitoring.schema import open_records
from qatflow.monitoring.state import labelled, load_state, take_labels
from qatflow.monitoring.watch import check_statistics, examine
from qatflow.monitoring.windows import of_rows
from qatflow.params.monitoring import MonitoringParams

_ERRORS = (
    "SELECT count(DISTINCT records.seq), avg(error) FROM labels JOIN records ON record = records.seq "
    "JOIN models ON models.id = model WHERE sha256 = ? AND records.time >= ?"
)
LEAST = 20
TIMELINE = 500


@dataclass(frozen=True)
class Seen:
    """What the records show.

    Attributes:
        report: Of the last window.
        timeline: Reports that the server kept, oldest first, of this model and those before it.
        records: All records in the folder.
    """

    report: DriftReport
    timeline: tuple[dict[str, Any], ...]
    records: int


def look(folder: Path, reference: Reference, params: MonitoringParams) -> Seen:
    """Judge the last window of a model's records.

    Raises:
        MonitoringError: If there are no records, they are damaged, or fewer than 20 are of this model.
        ParamsError: If there is no such drift statistic.
    """
    check_statistics(params.statistics)
    about = reference.about
    with reading(folder) as connection:
        rows = last_rows(connection, about.model_sha256, params.window)
        if len(rows) < LEAST:
            raise MonitoringError(_too_few(connection, folder, about.model_sha256, len(rows)))
        state = take_labels(connection, load_state(folder, about.model_sha256))
        known = labelled(connection, state, about, params.window)
        kept = tuple(reports(connection, TIMELINE))
        (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    served = of_rows(rows)
    found = health.judge(served, about.saturated, None, state.baseline)
    report = examine(reference, served, params.statistics, params.alpha, found, known, int(rows.seq[-1]))
    return Seen(report, kept, count)


def labelled_window(folder: Path, model_sha256: str, count: int) -> Rows:
    """Return the last `count` labelled records of a model, from which it may be trained again.

    Raises:
        MonitoringError: If there are no records, they are damaged, none has a label, or inputs were not kept.
    """
    with reading(folder) as connection:
        rows = labelled_rows(connection, model_sha256, count)
    if not len(rows):
        raise MonitoringError(
            f"{folder} holds no labelled record of model {model_sha256[:12]}…; see `qatflow feedback`"
        )
    if rows.inputs is None:
        raise MonitoringError(f"{folder} holds records without their inputs; set monitoring.keep_inputs to keep them")
    return rows


@dataclass(frozen=True)
class Errors:
    """Labelled records of one model: how many, and their mean error; None if none has one."""

    labels: int
    error: float | None


def errors_of(folder: Path, model_sha256: str, since: float = 0.0) -> Errors:
    """Return how a model did on the records since a time (Unix seconds) that have a label.

    Raises:
        MonitoringError: If there are no records, or they are damaged.
    """
    with reading(folder) as connection:
        count, error = connection.execute(_ERRORS, (model_sha256, since)).fetchone()
    return Errors(count, error)


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open records to read them.

    Raises:
        MonitoringError: If there are none, or they cannot be read.
    """
    try:
        connection = open_records(folder)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise MonitoringError(f"The records in {folder} cannot be read: {error}") from None


def _too_few(connection: sqlite3.Connection, folder: Path, sha256: str, count: int) -> str:
    others = [model.sha256[:12] for model in models(connection).values() if model.sha256 != sha256]
    besides = f"; there are records of {', '.join(others)}" if others else ""
    return f"{folder} holds {count} records of model {sha256[:12]}…; {LEAST} are the least that can be judged{besides}"
