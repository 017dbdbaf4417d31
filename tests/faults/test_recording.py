"""Whatever happens to the records, serving goes on, and nothing is silently lost."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qatflow.errors import MonitoringError
from qatflow.monitoring import recorder as recorder_module
from qatflow.monitoring import writer as writer_module
from qatflow.monitoring.recorder import Recorder
from qatflow.monitoring.records import last_rows
from qatflow.monitoring.schema import RECORDS, open_records
from tests.unit.monitoring.fabricate import PARAMS, ROOT, SHA, digits, reference

pytestmark = pytest.mark.fault


@pytest.fixture(autouse=True)
def _only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "GROUP_S", 3600.0)
    monkeypatch.setattr(writer_module, "RETRY_S", 0.0)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "m", reference(), PARAMS)
    yield recorder
    recorder.close()


def send(recorder: Recorder, start: int, count: int = 1) -> None:
    x, scores, _ = digits()
    for index in range(start, start + count):
        rows = slice(index, index + 1)
        recorder.record(x[rows], scores[rows], model_sha256=SHA, request_id=f"r{index}", latency_s=0.001)
    recorder.flush()


def test_a_full_disk_stops_recording_says_so_once_and_recovers(
    made: Recorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer_module, "RETRY_S", 3600.0)
    send(made, 0, 5)
    connection = made._writer._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")  # SQLite itself then answers SQLITE_FULL
    send(made, 5, 700)
    with pytest.raises(MonitoringError, match="send them again"):
        made.feedback([("r0", "1")])
    send(made, 705, 5)
    stopped = made.figures()

    made._writer._retry_at = 0.0
    send(made, 710, 200)
    going = made.figures()

    assert stopped | {"recorded": 5, "failed": 705, "recording": 0} == stopped
    assert stopped["drift"] is not None  # drift is told from memory
    assert going | {"recorded": 205, "failed": 705, "recording": 1} == going
    assert caplog.text.count("m stopped: database or disk is full") == 1
    assert caplog.text.count("goes on; it had stopped") == 1


def test_a_folder_that_cannot_be_made_stops_recording_until_it_can(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").touch()
    recorder = Recorder(tmp_path / "file" / "m", reference(), PARAMS)
    send(recorder, 0, 3)
    assert recorder.figures() | {"failed": 3, "recording": 0} == recorder.figures()

    (tmp_path / "file").unlink()
    send(recorder, 3, 3)
    recorder.close()

    assert recorder.figures() | {"recorded": 3, "failed": 3, "recording": 1} == recorder.figures()
    assert caplog.text.count("recording into") == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_stops_recording(tmp_path: Path):
    tmp_path.chmod(0o500)
    recorder = Recorder(tmp_path, reference(), PARAMS)
    send(recorder, 0, 3)
    recorder.close()

    assert recorder.figures()["failed"] == 3


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_damaged_records_are_set_aside_never_deleted(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture):
    (tmp_path / RECORDS).write_bytes(content)
    with pytest.raises(MonitoringError, match="is damaged"):
        open_records(tmp_path)

    recorder = Recorder(tmp_path, reference(), PARAMS)
    send(recorder, 0, 3)
    recorder.close()

    (aside,) = tmp_path.glob(f"{RECORDS}.damaged-*")
    assert aside.read_bytes() == content
    assert len(last_rows(open_records(tmp_path), SHA, 10)) == 3
    assert recorder.figures()["set_aside"] == 1
    assert str(aside) in caplog.text


def test_records_damaged_while_they_are_written_are_set_aside(made: Recorder, tmp_path: Path):
    send(made, 0, 400)
    connection = made._writer._connection
    assert connection is not None
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA cache_size=0")
    path = tmp_path / "m" / RECORDS
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    for start in range(400, 1400, 200):
        send(made, start, 200)

    (aside,) = (tmp_path / "m").glob(f"{RECORDS}.damaged-*[0-9]")
    assert aside.stat().st_size > 4096
    assert made.figures()["recorded"] >= 600
    assert made.figures()["recorded"] + made.figures()["failed"] == 1400


def test_records_of_another_version_are_refused(tmp_path: Path):
    open_records(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / RECORDS) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()

    with pytest.raises(MonitoringError, match="schema 7, this version reads 1"):
        Recorder(tmp_path, reference(), PARAMS)


def test_records_that_were_never_made_are_named(tmp_path: Path):
    with pytest.raises(MonitoringError, match=r"does not exist.*qatflow serve"):
        open_records(tmp_path)


def test_labels_and_records_may_be_written_at_once_by_two_processes(made: Recorder, tmp_path: Path):
    from qatflow.monitoring.feedback import give_labels

    send(made, 0, 50)
    other = open_records(tmp_path / "m")
    for start in range(50, 100, 10):
        counts = give_labels(other, [(f"r{start - 10 + index}", "3") for index in range(10)], 10)
        send(made, start, 10)
        assert counts["accepted"] == 10

    assert made.figures() | {"recorded": 100, "failed": 0} == made.figures()


KILLED = """
import itertools, sys
from pathlib import Path
from qatflow.monitoring.recorder import Recorder
from tests.unit.monitoring.fabricate import PARAMS, SHA, digits, reference
x, scores, _ = digits()
recorder = Recorder(Path(sys.argv[1]), reference(), PARAMS)
for index in itertools.count():
    row = slice(index % 1700, index % 1700 + 1)
    recorder.record(x[row], scores[row], model_sha256=SHA, request_id=f"r{index}", latency_s=0.0)
    if index % 100 == 99:
        recorder.flush()
        print(index + 1, flush=True)
"""


def test_a_killed_server_loses_nothing_that_was_committed(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    assert process.stdout is not None
    committed = 0
    for line in process.stdout:
        committed = int(line)
        if committed >= 3000:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    process.wait()

    recorder = Recorder(tmp_path, reference(), PARAMS)  # the lock went with the process
    send(recorder, 0, 1)
    recorder.close()
    assert len(last_rows(open_records(tmp_path), SHA, 10_000)) >= committed + 1
    assert recorder.figures()["set_aside"] == 0


def test_a_broken_state_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "state.json").write_text('{"model_sha256": 1')
    recorder = Recorder(tmp_path, reference(), PARAMS)
    send(recorder, 1000, 250)
    recorder.close()

    assert "begin anew" in caplog.text
    assert logging.getLogger("qatflow.monitoring").level <= logging.WARNING
    assert recorder.figures()["drift"] is not None
