"""A recorded window becomes a data set: what was in a split stays there, and the new joins in the same ratio."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import load_arrays, stage_output
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import open_prepared
from qatflow.errors import DataError, MonitoringError
from qatflow.monitoring.export import export_window, window_digest
from qatflow.monitoring.records import Rows
from qatflow.params.data import DataParams
from tests.unit.release.fabricate import COLUMNS, digits


def rows(x: np.ndarray, labels: np.ndarray) -> Rows:
    count = len(x)
    zeros = np.zeros(count)
    return Rows(
        seq=np.arange(count), time=zeros, ids=tuple(map(str, range(count))), latency_s=zeros, saturated=zeros,
        features=np.zeros((count, 1), np.float32), scores=np.zeros((count, 10), np.float32), inputs=x, labels=labels,
    )  # fmt: skip


@pytest.fixture
def recorded() -> Rows:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 20, (300, 8, 8, 1)).astype(np.float32)
    return rows(np.concatenate([x, x[:50]]), rng.integers(0, 10, 350).astype(float))


def test_it_can_be_prepared_as_this_projects_data(recorded: Rows, tmp_path: Path):
    path, changes = export_window(digits(), recorded, tmp_path / "windows")
    settings = {key.removeprefix("data."): value for key, value in changes.items() if key != "data.normalize"}
    with stage_output(tmp_path / "prepare", "prepare") as out:
        prepare_data(DataParams(**settings), changes["data.normalize"], 42, out)
    data = open_prepared(tmp_path / "prepare")

    assert path.name == f"window-{window_digest(recorded)[:16]}.npz"
    assert data.class_names == digits().class_names
    assert data.card.normalization == "unit"
    before, after = (sum(d.card.samples.values()) for d in (digits(), data))
    assert before + 300 <= after <= before + 350
    assert data.train.raw(np.arange(data.train.count)).max() == pytest.approx(20, abs=0.1)


def test_no_sample_changes_its_split_and_twins_stay_together(recorded: Rows, tmp_path: Path):
    found = load_arrays(export_window(digits(), recorded, tmp_path)[0])

    for name in ("train", "val", "test"):
        split = getattr(digits(), name)
        assert np.array_equal(found[f"x_{name}"][: split.count], split.raw(np.arange(split.count)))
        assert np.array_equal(found[f"y_{name}"][: split.count], split.labels())
    sizes = [len(found[f"x_{name}"]) - getattr(digits(), name).count for name in ("train", "val", "test")]
    assert sum(sizes) == 350
    assert 180 < sizes[0] < 280
    homes: dict[bytes, set[str]] = {}
    for name in ("train", "val", "test"):
        for sample in found[f"x_{name}"][getattr(digits(), name).count :]:
            homes.setdefault(sample.tobytes(), set()).add(name)
    assert all(len(home) == 1 for home in homes.values())
    assert json.loads(found["class_names"].tobytes()) == list("0123456789")


def test_equal_windows_give_equal_bytes(recorded: Rows, tmp_path: Path):
    first, second = (export_window(digits(), recorded, tmp_path / name)[0] for name in "ab")

    assert first.read_bytes() == second.read_bytes()
    assert first.name == second.name


@pytest.mark.parametrize("label", [10, -1, 0.5])
def test_labels_of_no_class_are_refused(recorded: Rows, tmp_path: Path, label: float):
    recorded.labels[3] = label

    with pytest.raises(MonitoringError, match="none of the 10 classes"):
        export_window(digits(), recorded, tmp_path / "windows")
    assert not (tmp_path / "windows").exists()


def test_inputs_of_another_shape_are_refused(recorded: Rows, tmp_path: Path):
    with pytest.raises(MonitoringError, match=r"\(9, 9, 1\); the data have \(8, 8, 1\)"):
        export_window(digits(), replace(recorded, inputs=np.zeros((350, 9, 9, 1), np.float32)), tmp_path)


def test_records_of_a_table_join_their_columns_by_name_and_the_names_go_on(brightness, tmp_path: Path):
    data = replace(brightness, card=brightness.card.model_copy(update={"feature_names": tuple(COLUMNS)}))
    x = np.random.default_rng(0).uniform(size=(40, 64)).astype(np.float32)
    same, turned = rows(x, x.mean(axis=1)), rows(x[:, ::-1], x.mean(axis=1))

    first, second = (
        load_arrays(export_window(data, one, tmp_path / folder, columns)[0])
        for folder, one, columns in (("a", same, COLUMNS), ("b", turned, COLUMNS[::-1]))
    )

    assert json.loads(first["feature_names"].tobytes()) == list(COLUMNS)
    recorded = {sample.tobytes() for part in ("train", "val", "test") for sample in second[f"x_{part}"]}
    assert {sample.tobytes() for sample in x} <= recorded
    with pytest.raises(DataError, match="the records: other columns than the model"):
        export_window(data, same, tmp_path / "c", ("other", *COLUMNS[1:]))
