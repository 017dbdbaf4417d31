import numpy as np
import pytest

from qatflow.errors import ModelError
from qatflow.online.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from tests.faults.killing import killed_before, without_disk


def one(number):
    return Checkpoint(
        number, {"a/x": np.full(5, number)}, {"offset": str(number), "checkpoint": number}, b"model %d" % number
    )


def numbers(folder):
    return sorted(int(path.name[-8:]) for path in folder.glob("checkpoint-*"))


def test_the_newest_is_found_and_old_ones_go(tmp_path):
    assert newest_checkpoint(tmp_path) == (None, [])
    for number in range(5):
        save_checkpoint(tmp_path, one(number), keep=2)
    found, refused = newest_checkpoint(tmp_path)
    assert (found.number, found.facts, found.model, refused) == (4, {"offset": "4", "checkpoint": 4}, b"model 4", [])
    assert found.arrays["a/x"].tolist() == [4] * 5
    assert numbers(tmp_path) == [3, 4]


@pytest.mark.parametrize("file", ["arrays.npz", "facts.json", "model.tflite", "manifest.json"])
def test_a_corrupt_newest_one_is_named_and_the_one_before_taken(tmp_path, file):
    for number in range(2):
        save_checkpoint(tmp_path, one(number), keep=3)
    path = tmp_path / "checkpoint-00000001" / file
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    found, refused = newest_checkpoint(tmp_path)
    assert found.number == 0
    assert "checkpoint-00000001 cannot be used" in refused[0]


def test_if_none_is_whole_nothing_begins_anew(tmp_path):
    save_checkpoint(tmp_path, one(0), keep=3)
    (tmp_path / "checkpoint-00000000" / "facts.json").unlink()
    with pytest.raises(ModelError, match="can be used"):
        newest_checkpoint(tmp_path)


def test_one_of_another_version_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("qatflow.online.checkpoint.SCHEMA", 1)
    save_checkpoint(tmp_path, one(0), keep=3)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="has schema 1; this version of QATFlow reads 2"):
        newest_checkpoint(tmp_path)


@pytest.mark.fault
def test_a_kill_at_any_durable_step_leaves_a_whole_one(tmp_path):
    save_checkpoint(tmp_path, one(0), keep=2)
    for step in range(100):
        killed = killed_before(step, lambda: save_checkpoint(tmp_path, one(1), keep=2))
        found, refused = newest_checkpoint(tmp_path)
        assert refused == []
        assert found.arrays["a/x"].tolist() == [found.number] * 5
        if not killed:
            assert found.number == 1
            return
    pytest.fail("it never ended by itself")


@pytest.mark.fault
def test_a_full_disk_leaves_the_one_before(tmp_path):
    save_checkpoint(tmp_path, one(0), keep=2)
    assert without_disk(100, lambda: save_checkpoint(tmp_path, one(1), keep=2)) == 1
    assert newest_checkpoint(tmp_path)[0].number == 0
