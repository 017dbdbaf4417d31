"""The tables of records: their schema, and how a file is opened, or set aside if it is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from qatflow.errors import MonitoringError

RECORDS = "records.sqlite"
SCHEMA = 1
BUSY_S = 20.0
_TABLES = """
CREATE TABLE models(id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, task TEXT NOT NULL, classes TEXT NOT NULL,
                    shape TEXT NOT NULL);
CREATE TABLE records(seq INTEGER PRIMARY KEY, time REAL NOT NULL, id TEXT NOT NULL, model INTEGER NOT NULL,
                     latency_s REAL NOT NULL, class INTEGER, confidence REAL, saturated REAL,
                     features BLOB NOT NULL, scores BLOB NOT NULL, input BLOB, label REAL);
CREATE INDEX records_id ON records(id);
CREATE TABLE labels(seq INTEGER PRIMARY KEY AUTOINCREMENT, record INTEGER NOT NULL, time REAL NOT NULL,
                    label REAL NOT NULL, error REAL);
CREATE TABLE reports(seq INTEGER PRIMARY KEY, time REAL NOT NULL, report TEXT NOT NULL);
"""


def open_records(folder: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open the records of `folder`, which several processes may do at once: WAL, and patience while another writes.

    WAL with synchronous NORMAL: a process that is killed loses no commit, a loss of power the last ones at most.

    Raises:
        MonitoringError: If there are none and none are to be made, they are of another version, or damaged.
        sqlite3.OperationalError: If the disk is full or may not be written.
    """
    path = folder / RECORDS
    if not create and not path.is_file():
        raise MonitoringError(f"{path} does not exist: no server has recorded there. `qatflow serve` does")
    if create:
        folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, create=create)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise MonitoringError(
            f"{path} is damaged ({error}). A server sets it aside when it starts, and keeps it; or move it yourself"
        ) from None
    except MonitoringError:
        connection.close()
        raise
    return connection


def open_or_set_aside(folder: Path) -> tuple[sqlite3.Connection, Path | None]:
    """Open records to write to; damaged ones are renamed, never deleted, and new ones begun.

    Returns:
        The connection, and the damaged file under its new name, if there was one.

    Raises:
        MonitoringError: If they are of another version.
        sqlite3.OperationalError: If the disk is full or may not be written.
    """
    try:
        return open_records(folder, create=True), None
    except MonitoringError as error:
        if "damaged" not in str(error):
            raise
    aside = set_aside(folder)
    return open_records(folder, create=True), aside


def set_aside(folder: Path) -> Path:
    """Rename damaged records, with what belongs to them, and return the new path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = folder / f"{RECORDS}.damaged-{stamp}"
    for ending in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            (folder / f"{RECORDS}{ending}").rename(f"{aside}{ending}")
    return aside


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and create:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={SCHEMA}; COMMIT")
        version = SCHEMA
    if version != SCHEMA:
        raise MonitoringError(f"{path} has schema {version}, this version reads {SCHEMA}; move it away to begin anew")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("SELECT count(*) FROM models").fetchone()
