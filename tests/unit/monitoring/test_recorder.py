"""The server's door to monitoring: cheap, bounded, and never in the way."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from qatflow.errors import MonitoringError, ParamsError
from qatflow.monitoring import recorder as module
from qatflow.monitoring.recorder import Recorder
from qatflow.monitoring.records import last_rows, models, reports
from qatflow.monitoring.schema import open_records
from qatflow.monitoring.state import load_state
from qatflow.params.monitoring import MonitoringParams
from tests.unit.monitoring.fabricate import PARAMS, SHA, digits, reference


@pytest.fixture(autouse=True)
def _only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread takes nothing by itself, so that tests know what waits."""
    monkeypatch.setattr(module, "GROUP_S", 3600.0)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "m", reference(), PARAMS)
    yield recorder
    recorder.close()


def send(recorder: Recorder, start: int, count: int = 1, name: str = "", sha256: str = SHA) -> None:
    x, scores, _ = digits()
    rows = slice(start, start + count)
    recorder.record(
        x[rows], scores[rows], model_sha256=sha256, request_id=name or f"r{start}", latency_s=0.001 * (start % 3 + 1)
    )


def test_what_was_sent_is_what_is_kept(made: Recorder, tmp_path: Path):
    x, scores, _ = digits()
    send(made, 1400)
    send(made, 1401, 3, "several")
    made.flush()

    rows = last_rows(open_records(tmp_path / "m"), SHA, 10)
    assert rows.ids == ("r1400", "several/0", "several/1", "several/2")
    assert rows.inputs is not None
    assert np.array_equal(rows.inputs, x[1400:1404])
    assert np.array_equal(rows.scores, scores[1400:1404])
    assert rows.latency_s.tolist() == [0.003, 0.001, 0.001, 0.001]
    assert np.isnan(rows.labels).all()
    assert made.figures()["recorded"] == 4


def test_fractions_are_kept_exactly_too(made: Recorder, tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    made.record(x, digits()[1][:2], model_sha256=SHA, request_id="f", latency_s=0.0)
    made.flush()

    found = last_rows(open_records(tmp_path / "m"), SHA, 2).inputs
    assert found is not None
    assert np.array_equal(found, x)


def test_inputs_stay_out_of_the_records_if_so_wished(tmp_path: Path):
    recorder = Recorder(tmp_path, reference(), MonitoringParams(keep_inputs=False))
    send(recorder, 0)
    recorder.close()

    assert last_rows(open_records(tmp_path), SHA, 1).inputs is None


def test_the_model_is_kept_with_its_classes_so_that_labels_can_come_without_the_bundle(made: Recorder, tmp_path: Path):
    send(made, 0)
    send(made, 1, sha256="b" * 64)  # a challenger, whose reference the server did not give
    made.flush()

    found = models(open_records(tmp_path / "m"))
    assert [(model.sha256, model.task, len(model.classes)) for model in found.values()] == [
        (SHA, "classification", 10),
        ("b" * 64, "classification", 10),
    ]


def test_a_full_queue_drops_counts_and_goes_on(made: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    for start in range(5):
        send(made, start)
    assert made.figures() | {"dropped": 2, "waiting": 3} == made.figures()

    made.flush()
    send(made, 7)
    made.flush()

    assert made.figures() | {"recorded": 4, "dropped": 2, "waiting": 0} == made.figures()


def test_the_queue_is_bounded_in_bytes_too(made: Recorder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 2000)
    for start in range(5):
        send(made, start)

    assert made.figures() | {"dropped": 3, "waiting": 2} == made.figures()


def test_a_share_is_recorded(tmp_path: Path):
    recorder = Recorder(tmp_path, reference(), MonitoringParams(sample=0.25))
    for start in range(1000):
        send(recorder, start)
    recorder.close()

    figures = recorder.figures()
    assert figures["recorded"] + figures["sampled_out"] == 1000
    assert 180 < figures["recorded"] < 320


def test_from_many_threads_nothing_is_lost(made: Recorder, tmp_path: Path):
    def work(thread: int) -> None:
        for index in range(200):
            send(made, index, name=f"{thread}-{index}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.flush()

    assert len(set(last_rows(open_records(tmp_path / "m"), SHA, 2000).ids)) == 800


def test_drift_is_seen_and_an_undisturbed_stream_is_not_called_so(made: Recorder, tmp_path: Path):
    for start in range(1400, 1600):
        send(made, start)
    made.flush()
    quiet = made.figures()
    x, scores, _ = digits()
    for start in range(1600, 1797):
        upside_down = x[start : start + 1, ::-1]
        made.record(upside_down, scores[start : start + 1], model_sha256=SHA, request_id="u", latency_s=0.001)
    made.flush()
    drifted = made.figures()

    assert quiet["drift_detected"] == 0
    assert drifted["drift_detected"] == 1
    assert drifted["drift_psi_p"] < 0.01
    assert drifted["drift"]["reasons"]
    assert [report["drifted"] for report in reports(open_records(tmp_path / "m"), 10)] == [False, True]
    json.dumps(drifted, allow_nan=False)


def test_windows_never_mix_models(made: Recorder):
    for start in range(1400, 1500):
        send(made, start)
        send(made, start, sha256="b" * 64)
    made.flush()

    assert made.figures()["drift"] is None
    assert made.figures()["recorded"] == 200


def test_after_a_swap_the_window_begins_anew(made: Recorder):
    for start in range(1400, 1600):
        send(made, start)
    made.flush()
    assert made.figures()["drift"] is not None

    made.refer(None)
    send(made, 1600)
    made.flush()
    assert made.figures()["drift"] is None

    made.refer(reference())
    for start in range(1600, 1700):
        send(made, start)
    made.flush()
    assert made.figures()["drift"] is None


def test_baselines_survive_a_restart(tmp_path: Path):
    for _ in range(2):
        recorder = Recorder(tmp_path, reference(), PARAMS)
        for start in range(1400, 1600):
            send(recorder, start)
        recorder.close()

    drift = recorder.figures()["drift"]
    assert drift["health"]["latency_baseline_ms"] == pytest.approx(2.0)
    assert drift["health"]["worries"] == ()
    assert load_state(tmp_path, SHA).baseline is not None
    assert load_state(tmp_path, "b" * 64).baseline is None


def test_labels_find_their_records_even_those_that_wait(made: Recorder):
    _, scores, y = digits()
    for start in range(1400, 1600):
        send(made, start)

    counts = made.feedback((f"r{start}", str(y[start])) for start in range(1400, 1600))
    for start in range(1600, 1700):
        send(made, start)
    made.flush()

    assert counts["accepted"] == 200
    found = made.figures()
    assert found["drift"]["labelled"]["samples"] == 200
    right = scores[1400:1600].argmax(axis=1) == y[1400:1600]
    assert found["drift"]["labelled"]["accuracy"] == pytest.approx(right.mean())
    assert found["last_label_age_seconds"] >= 0
    assert found["labels_accepted"] == 200


def test_a_change_of_the_error_is_seen_by_labels(made: Recorder):
    _, scores, _ = digits()
    for turn in range(3):
        for start in range(1400, 1600):
            send(made, start, name=f"{turn}-{start}")
        said = scores[1400:1600].argmax(axis=1)
        wrong = (said + (turn > 1)) % 10
        made.feedback((f"{turn}-{start}", int(label)) for start, label in zip(range(1400, 1600), wrong, strict=True))
    for start in range(1400, 1500):
        send(made, start)
    made.flush()

    found = made.figures()
    assert found["error_changed"] == 1
    assert "the error on labelled samples has changed" in " ".join(found["drift"]["reasons"])


def test_two_servers_on_one_folder_are_one_too_many(made: Recorder, tmp_path: Path):
    with pytest.raises(MonitoringError, match=r"Another server records into .*monitoring\.path"):
        Recorder(tmp_path / "m", reference(), PARAMS)

    made.close()
    Recorder(tmp_path / "m", reference(), PARAMS).close()


def test_an_unknown_statistic_is_refused_at_once(tmp_path: Path):
    with pytest.raises(ParamsError, match="Unknown drift statistic"):
        Recorder(tmp_path, None, MonitoringParams(statistics=("nothing",)))


def test_requests_of_no_sense_do_not_stop_the_others(made: Recorder, caplog: pytest.LogCaptureFixture):
    made.record(np.zeros((0, 8, 8, 1), np.float32), np.zeros((0, 10), np.float32), model_sha256=SHA,
                request_id="none", latency_s=0.0)  # fmt: skip
    made._flush_safely()
    send(made, 3)
    made.flush()

    assert made.figures()["recorded"] == 1
    assert "could not be recorded" in caplog.text


def test_old_records_go(tmp_path: Path):
    recorder = Recorder(tmp_path, reference(), MonitoringParams(keep_rows=50))
    for start in range(0, 300, 100):
        for index in range(start, start + 100):
            send(recorder, index)
        recorder._flush_safely()
    recorder.close()

    assert last_rows(open_records(tmp_path), SHA, 1000).ids == tuple(f"r{index}" for index in range(250, 300))
    assert recorder.figures()["deleted"] == 250


def test_they_go_as_fast_as_others_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("qatflow.monitoring.records.DELETED_AT_ONCE", 100)
    recorder = Recorder(tmp_path, reference(), MonitoringParams(keep_rows=50))
    for _ in range(3):
        for number in range(10):
            send(recorder, 0, 150, f"r{number}")
        recorder._flush_safely()
        assert rows_of(tmp_path, "records") == 50
    recorder.close()


def test_records_go_while_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    recorder = Recorder(tmp_path, reference(), MonitoringParams())
    send(recorder, 0, 5)
    recorder.close()
    aged(tmp_path)

    monkeypatch.setattr(module, "GROUP_S", 0.01)
    restarted = Recorder(tmp_path, reference(), MonitoringParams(keep_days=1.0))
    try:
        deadline = time.monotonic() + 30
        while rows_of(tmp_path, "records"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        restarted.close()


def test_labels_that_change_without_end_are_bounded_too(tmp_path: Path):
    recorder = Recorder(tmp_path, reference(), MonitoringParams(keep_rows=50))
    send(recorder, 0)
    for label in "12" * 100:
        recorder.feedback([("r0", label)])
    recorder._delete()

    assert rows_of(tmp_path, "labels") == 50
    assert rows_of(tmp_path, "records") == 1
    recorder.close()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_records_that_were_deleted_are_begun_anew_and_said_to_be(what: str, tmp_path: Path, caplog):
    folder = tmp_path / "m"
    recorder = Recorder(folder, reference(), MonitoringParams())
    send(recorder, 0)
    recorder.flush()
    if what == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "records.sqlite").unlink()
    send(recorder, 1)
    recorder.flush()

    assert last_rows(open_records(folder), SHA, 10).ids == ("r1",)
    assert "deleted or replaced" in caplog.text
    with pytest.raises(MonitoringError, match="Another server records"):
        Recorder(folder, reference(), PARAMS)
    recorder.close()


def test_what_went_into_deleted_records_does_not_count(tmp_path: Path):
    recorder = Recorder(tmp_path / "m", reference(), MonitoringParams())

    assert recorder._writer.run(lambda _: shutil.rmtree(tmp_path / "m") or True) is None
    assert recorder._writer.run(lambda _: True)
    recorder.close()


def rows_of(folder: Path, table: str) -> int:
    with closing(open_records(folder)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (our own words)


def aged(folder: Path) -> None:
    with closing(open_records(folder)) as connection:
        connection.execute("UPDATE records SET time = time - 90000")


def test_records_of_last_year_go_whatever_their_number(tmp_path: Path):
    recorder = Recorder(tmp_path, reference(), MonitoringParams(keep_days=1.0))
    send(recorder, 0)
    recorder.flush()
    aged(tmp_path)
    send(recorder, 1)
    recorder.close()

    assert last_rows(open_records(tmp_path), SHA, 10).ids == ("r1",)
