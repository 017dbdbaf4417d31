import pytest

from qatflow.errors import StageError
from qatflow.sweep.keep import home, keep_result, kept, only_one, read_result, trial_folder

KEY = "0123456789abcdef" * 4


def test_a_result_is_read_as_it_was_kept(tmp_path, result):
    assert read_result(tmp_path, KEY) is None
    keep_result(tmp_path, KEY, result(), b"flatbuffer")
    assert read_result(tmp_path, KEY) == result()
    assert (trial_folder(tmp_path, KEY) / "model.tflite").read_bytes() == b"flatbuffer"


def test_an_altered_result_is_thrown_away(tmp_path, result):
    keep_result(tmp_path, KEY, result())
    (trial_folder(tmp_path, KEY) / "result.json").write_text("{}")
    assert read_result(tmp_path, KEY) is None
    assert not trial_folder(tmp_path, KEY).exists()


def test_of_two_that_make_the_same_entry_the_first_wins(tmp_path):
    folder = tmp_path / "entry"
    with kept(folder, "test") as slow:
        (slow / "content").write_text("slow")
        with kept(folder, "test") as quick:
            (quick / "content").write_text("quick")
    assert (folder / "content").read_text() == "quick"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_what_failed_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), kept(tmp_path / "entry", "test"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_only_one_sweep_of_a_project_runs(tmp_path):
    with only_one(tmp_path), pytest.raises(StageError, match="held by another sweep"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_leftovers_of_killed_workers_are_removed_and_results_stay(tmp_path, result):
    keep_result(tmp_path, KEY, result())
    leftovers = [f"trials/.{KEY[:32]}-12-abcd.partial", f"float/{KEY[:32]}-12-abcd", "checkpoints-x1"]
    for name in leftovers:
        (home(tmp_path) / name).mkdir(parents=True)
    with only_one(tmp_path):
        assert [name for name in leftovers if (home(tmp_path) / name).exists()] == []
    assert read_result(tmp_path, KEY) is not None
