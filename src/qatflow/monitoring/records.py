"""Records of requests in SQLite: appended in groups, read back as arrays, deleted when they are old."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.blobs import stacked

DELETED_AT_ONCE = 5000
KEPT_REPORTS = 5000


@dataclass(frozen=True)
class Model:
    """A model as the records know it; task and classes are empty where it had no reference."""

    sha256: str
    shape: tuple[int, ...]
    task: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive records of one model, oldest first.

    Attributes:
        seq: (n,) int64.
        time: (n,) float64, Unix seconds.
        ids: Of the samples.
        latency_s: (n,) float64.
        saturated: (n,) float32.
        features: (n, f) float32.
        scores: (n, k) float32.
        inputs: (n, *shape) float32, or None if some were not kept.
        labels: (n,) float64, NaN where none has arrived.
    """

    seq: Array
    time: Array
    ids: tuple[str, ...]
    latency_s: Array
    saturated: Array
    features: Array
    scores: Array
    inputs: Array | None
    labels: Array

    def __len__(self) -> int:
        return len(self.seq)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit all or nothing. Takes the write lock at once, so that it cannot fail half-way for want of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def model_id(connection: sqlite3.Connection, model: Model) -> int:
    """Return the number of a model, made if it is new; its task and classes are those of now."""
    found = connection.execute("SELECT id FROM models WHERE sha256=?", (model.sha256,)).fetchone()
    words = (model.task, json.dumps(model.classes))
    if found:
        if model.task:
            connection.execute("UPDATE models SET task = ?, classes = ? WHERE id = ?", (*words, found[0]))
        return int(found[0])
    values = (model.sha256, *words, json.dumps(model.shape))
    done = connection.execute("INSERT INTO models(sha256, task, classes, shape) VALUES(?, ?, ?, ?)", values)
    return int(done.lastrowid or 0)


def models(connection: sqlite3.Connection) -> dict[int, Model]:
    """Return all models by their number."""
    rows = connection.execute("SELECT id, sha256, task, classes, shape FROM models")
    return {
        number: Model(sha256, tuple(json.loads(shape)), task, tuple(json.loads(classes)))
        for number, sha256, task, classes, shape in rows
    }


def append(connection: sqlite3.Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows (time, id, model, latency_s, class, confidence, saturated, features, scores, input)."""
    connection.executemany(
        "INSERT INTO records(time, id, model, latency_s, class, confidence, saturated, features, scores, input) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


_ROWS = (
    "SELECT records.seq, time, records.id, latency_s, saturated, features, scores, input, label, shape "
    "FROM records JOIN models ON models.id = model WHERE sha256 = ? AND records.seq {} "
    "ORDER BY records.seq DESC LIMIT ?"
)
_LAST, _LABELLED = _ROWS.format("< ?"), _ROWS.format(">= ? AND label IS NOT NULL")


def last_rows(connection: sqlite3.Connection, sha256: str, count: int, before: int = 2**62) -> Rows:
    """Return the last `count` records of a model, of those with a `seq` below `before`."""
    return _rows(connection.execute(_LAST, (sha256, before, count)).fetchall()[::-1])


def labelled_rows(connection: sqlite3.Connection, sha256: str, count: int, since: int = 0) -> Rows:
    """Return the last `count` records of a model that have a label, from `seq` `since` on."""
    return _rows(connection.execute(_LABELLED, (sha256, since, count)).fetchall()[::-1])


def _rows(found: Sequence[Sequence[Any]]) -> Rows:
    columns = list(zip(*found, strict=True)) or [()] * 10
    shape = tuple(json.loads(columns[9][0])) if found else ()
    return Rows(
        seq=np.array(columns[0], np.int64),
        time=np.array(columns[1], np.float64),
        ids=tuple(columns[2]),
        latency_s=np.array(columns[3], np.float64),
        saturated=np.array(columns[4], np.float32),
        features=stacked(columns[5], (-1,)),
        scores=stacked(columns[6], (-1,)),
        inputs=None if None in columns[7] else stacked(columns[7], shape),
        labels=np.array([np.nan if label is None else label for label in columns[8]], np.float64),
    )


_GONE = "FROM (SELECT seq, time FROM records ORDER BY seq LIMIT ?) WHERE time < ? OR seq <= ?"


def delete_old(connection: sqlite3.Connection, keep_days: float, keep_rows: int) -> int:
    """Delete records that are too old or too many, with their labels; return how many, at most 5,000.

    Of labels, which a record can have several of, no more are kept than of records. Where nothing is to go, which is
    usual, nothing is written.
    """
    newest = connection.execute("SELECT max(seq) FROM records").fetchone()[0] or 0
    bounds = (time.time() - keep_days * 86_400, newest - keep_rows)
    first, last = connection.execute("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM labels").fetchone()
    count = connection.execute(f"SELECT count(*) {_GONE}", (1, *bounds)).fetchone()[0]
    if not count and last - first < keep_rows:
        return 0
    with transaction(connection):
        count, end = connection.execute(f"SELECT count(*), max(seq) {_GONE}", (DELETED_AT_ONCE, *bounds)).fetchone()
        connection.execute(f"DELETE FROM records WHERE seq IN (SELECT seq {_GONE})", (DELETED_AT_ONCE, *bounds))  # noqa: S608 (our words)
        connection.execute("DELETE FROM labels WHERE record <= ? OR seq <= ?", (end or 0, last - keep_rows))
    return int(count)


def add_report(connection: sqlite3.Connection, when: float, report: str) -> None:
    """Keep a drift report, as JSON; the oldest beyond 5,000 go."""
    with transaction(connection):
        connection.execute("INSERT INTO reports(time, report) VALUES(?, ?)", (when, report))
        connection.execute("DELETE FROM reports WHERE seq <= (SELECT max(seq) FROM reports) - ?", (KEPT_REPORTS,))


def reports(connection: sqlite3.Connection, count: int) -> list[dict[str, Any]]:
    """Return the last `count` drift reports, oldest first."""
    rows = connection.execute("SELECT report FROM reports ORDER BY seq DESC LIMIT ?", (count,)).fetchall()
    return [json.loads(report) for (report,) in rows[::-1]]
