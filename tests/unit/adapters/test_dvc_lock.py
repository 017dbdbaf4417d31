"""DVC's digest of the data, read from dvc.lock."""

from pathlib import Path

from qatflow.adapters.dvc_lock import data_md5

LOCK = "stages:\n  prepare:\n    deps:\n    - path: data/x.npz\n      md5: abc\n"


def test_digest_of_the_data_that_prepare_ran_with(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(LOCK)

    assert data_md5(tmp_path, "data/x.npz") == "abc"
    assert data_md5(tmp_path, "data/y.npz") is None


def test_without_a_lock_file_there_is_none(tmp_path: Path) -> None:
    assert data_md5(tmp_path, "data/x.npz") is None
