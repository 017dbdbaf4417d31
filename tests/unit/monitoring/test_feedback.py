"""Labels that come later, from whoever and however."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import MonitoringError
from qatflow.monitoring.blobs import as_blobs
from qatflow.monitoring.feedback import error_of, give_labels, read_labels, resolve
from qatflow.monitoring.records import Model, append, labelled_rows, model_id
from qatflow.monitoring.schema import open_records
from qatflow.monitoring.state import State, labelled, take_labels
from tests.unit.monitoring.fabricate import SHA, reference

CAT_DOG = Model(SHA, (2,), "classification", ("cat", "dog"))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Ten records r0 to r9, the model said dog each time."""
    connection = open_records(tmp_path, create=True)
    number = model_id(connection, CAT_DOG)
    scores = np.tile(np.array([0.2, 0.8], np.float32), (10, 1))
    row = [
        (float(i), f"r{i}", number, 0.1, 1, 0.8, 0.0, b"\0" * 8, blob, None) for i, blob in enumerate(as_blobs(scores))
    ]
    append(connection, row)
    yield connection
    connection.close()


def test_every_outcome_is_counted(records: sqlite3.Connection):
    pairs = [("r9", "dog"), ("r0", "cat"), ("r9", 1), ("r9", "cat"), ("r77", "cat"), ("r3", "cow"), ("r3", 2)]

    counts = give_labels(records, pairs, window=5)

    assert counts == {"accepted": 2, "late": 1, "repeated": 1, "changed": 1, "unknown_id": 1, "unknown_label": 2}
    assert dict(zip(*[(rows := labelled_rows(records, SHA, 9)).ids, rows.labels], strict=True)) == {"r0": 0, "r9": 0}


def test_both_labels_of_a_changed_one_stay_in_the_log(records: sqlite3.Connection):
    give_labels(records, [("r1", "dog"), ("r1", "cat")], window=5)

    assert records.execute("SELECT label, error FROM labels ORDER BY seq").fetchall() == [(1.0, 0.0), (0.0, None)]


def test_labels_are_all_given_or_none(records: sqlite3.Connection):
    def pairs() -> Iterator[tuple[str, str]]:
        yield "r1", "dog"
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        give_labels(records, pairs(), window=5)

    assert len(labelled_rows(records, SHA, 9)) == 0


def test_detectors_take_each_label_once(records: sqlite3.Connection):
    state = State(SHA)
    give_labels(records, [("r1", "dog"), ("r2", "cat")], window=5)
    state = take_labels(records, take_labels(records, state))
    give_labels(records, [("r3", "dog"), ("r2", "dog")], window=5)
    state = take_labels(records, state)

    assert state.labels == 3
    assert state.detectors["page_hinkley"]["count"] == 3
    found = labelled(records, state, reference().about, 10)
    assert (found.samples, found.accuracy) == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("label", "expected"),
    [("dog", 1), ("1", 1), (0, 0), (1.0, 1), ("2", None), (0.5, None), (-1, None), ("", None), (None, None),
     (True, None), (float("nan"), None), ("1e999", None), ([1], None), (10**400, None)],
)  # fmt: skip
def test_a_class_may_be_named_or_numbered(label: object, expected: float | None):
    assert resolve(CAT_DOG, label) == expected


def test_a_class_of_a_numbers_name_is_that_class():
    assert resolve(Model(SHA, (2,), "classification", ("1", "0")), "0") == 1


def test_targets_are_any_finite_number():
    model = Model(SHA, (2,), "regression")

    assert resolve(model, "-2.5e3") == -2500
    assert resolve(model, "inf") is None
    assert error_of("regression", 3.0, None, np.array([2.5], np.float32).tobytes()) == 0.5
    assert error_of("anomaly", 1.0, None, b"") is None


def test_a_file_of_labels(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_bytes('\ufeffid,note,label\r\nr1,x,cat\r\n"a,b",y,dog\r\n'.encode())

    assert list(read_labels(path)) == [("r1", "cat"), ("a,b", "dog")]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"name,label\n1,2\n", "line 1: its header is .*expected id,label"), (b"id,label\nr1\n", "line 2: expected an id"),
     (b"id,label\n,cat\n", "line 2"), (b"\xff\xfe\x00", "cannot be read as CSV"), (b"", "line 1: its header is")],
)  # fmt: skip
def test_a_file_that_is_none_is_named_with_its_line(tmp_path: Path, content: bytes, says: str):
    (tmp_path / "labels.csv").write_bytes(content)

    with pytest.raises(MonitoringError, match=rf"labels\.csv.*{says}"):
        list(read_labels(tmp_path / "labels.csv"))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(MonitoringError, match="nothing"):
        list(read_labels(tmp_path / "nothing.csv"))
