"""A reference is read back as it was written, or refused in a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import load_arrays, save_arrays
from qatflow.errors import MonitoringError
from qatflow.monitoring.reference import MAX_SAMPLES, RESERVOIR, build_reference, load_reference, to_arrays
from tests.unit.monitoring.fabricate import HELD, about, digits, reference


@pytest.fixture
def written(tmp_path: Path) -> Path:
    save_arrays(tmp_path / "reference.npz", to_arrays(reference()))
    return tmp_path / "reference.npz"


def test_it_is_read_back_as_it_was(written: Path):
    found = load_reference(written)

    assert found.about == reference().about
    arrays, expected = to_arrays(found), to_arrays(reference())
    assert {name: array.tolist() for name, array in arrays.items()} == {n: a.tolist() for n, a in expected.items()}


def test_equal_data_give_equal_bytes(written: Path, tmp_path: Path):
    x, scores, y = digits()
    again = build_reference(about(), [x[:1000]], scores[1000:1400], y[1000:1400], HELD)
    save_arrays(tmp_path / "again.npz", to_arrays(again))

    assert (tmp_path / "again.npz").read_bytes() == written.read_bytes()


def test_only_so_many_samples_count():
    x = np.random.default_rng(0).random((MAX_SAMPLES + 50, 3), np.float32)
    made = build_reference(about("regression"), [x[:700], x[700:]], x[:20, :1], x[:20, 0], HELD)

    assert made.about.samples == MAX_SAMPLES
    assert made.reservoir.shape == (RESERVOIR, 3)
    assert made.about.score is None


def test_columns_of_a_table_are_made_comparable_and_pixels_keep_their_ratio():
    rng = np.random.default_rng(0)
    table = (rng.normal(size=(300, 2)) * (1, 1000)).astype(np.float32)
    made = build_reference(about("regression"), [table], table[:9, :1], table[:9, 0], HELD)

    assert made.reservoir.std(axis=0) == pytest.approx([1, 1], rel=0.01)
    assert len(set(reference().scale.tolist())) == 1


@pytest.mark.parametrize("part", ["inputs", "answers"])
def test_nothing_to_describe_is_refused(part: str):
    x, scores, y = digits()
    inputs, answers = ([], scores[:5]) if part == "inputs" else ([x[:5]], scores[:0])

    with pytest.raises(MonitoringError, match="at least one"):
        build_reference(about(), inputs, answers, y[:5], HELD)


def rewritten(path: Path, **arrays: np.ndarray) -> None:
    save_arrays(path, load_arrays(path) | arrays)


def words(path: Path, **values: object) -> np.ndarray:
    found = json.loads(load_arrays(path)["about"].tobytes()) | values
    return np.frombuffer(json.dumps(found).encode(), np.uint8)


def test_what_is_no_reference_is_refused(written: Path, tmp_path: Path):
    whole = written.read_bytes()
    with pytest.raises(MonitoringError, match="missing"):
        load_reference(tmp_path / "missing.npz")
    for content in (b"", b"text", whole[: len(whole) // 2]):
        written.write_bytes(content)
        with pytest.raises(MonitoringError, match="is no reference"):
            load_reference(written)


def test_parts_that_do_not_fit_together_are_refused(written: Path):
    save = written.read_bytes()
    wrong = {
        "moments": np.zeros((3, 2), np.float32),
        "reservoir": np.zeros((5, 7), np.float32),
        "signals": np.zeros(0, np.float32),
        "about": np.frombuffer(b"{}", np.uint8),
        "more": np.zeros(1),
    }
    for name, array in wrong.items():
        written.write_bytes(save)
        rewritten(written, **{name: array})
        with pytest.raises(MonitoringError, match=r"reference\.npz"):
            load_reference(written)


def test_another_schema_or_other_features_are_refused(written: Path):
    save = written.read_bytes()
    for values in ({"schema": 2}, {"features": ["mean"] * 21}):
        written.write_bytes(save)
        rewritten(written, about=words(written, **values))
        with pytest.raises(MonitoringError, match=r"schema|other features"):
            load_reference(written)


def test_pickles_and_lies_about_sizes_are_refused(written: Path):
    np.savez(written, about=np.array([{"a": 1}], dtype=object))
    with pytest.raises(MonitoringError, match="pickle"):
        load_reference(written)

    save_arrays(written, to_arrays(reference()) | {"reservoir": np.zeros((300_000, 64), np.float32)})
    with pytest.raises(MonitoringError, match="64 MiB"):
        load_reference(written)
