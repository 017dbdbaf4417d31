"""Paths that cannot be used, digests, and changes while reading."""

import hashlib
from pathlib import Path

import pytest

from qatflow.artifacts import digest
from qatflow.data.base import RawData
from qatflow.data.files import card_entries, check_unchanged, hash_files, require_file, require_folder
from qatflow.errors import DataError


def _raw(*files: Path, root: Path = Path()) -> RawData:
    return RawData({}, (), None, 0, files, root)


def test_require_returns_what_exists(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert require_file(str(tmp_path / "a"), "x") == tmp_path / "a"
    assert require_folder(str(tmp_path), "x") == tmp_path


@pytest.mark.parametrize("path", ["missing", "new\nline", "a\0b", "x" * 4000, "missing/ümlaut"])
def test_require_explains_paths_that_do_not_exist(path: str) -> None:
    with pytest.raises(DataError, match=r"(?s)data\.path .*(does not exist|cannot be used).*expected a csv"):
        require_file(path, "a csv")


def test_require_tells_files_from_folders(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match="is not a file; expected an npz"):
        require_file(str(tmp_path), "an npz")
    with pytest.raises(DataError, match="is not a folder; expected images"):
        require_folder(str(tmp_path / "a"), "images")


def test_hashes_and_names_from_root(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    sha256 = hashlib.sha256(b"abc").hexdigest()

    assert hash_files(_raw(tmp_path / "a")) == [
        {"path": (tmp_path / "a").as_posix(), "sha256": sha256, "size_bytes": 3}
    ]
    assert hash_files(_raw(tmp_path / "a", root=tmp_path))[0]["path"] == "a"


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone cannot be read: No such file"):
        hash_files(_raw(tmp_path / "gone"))


def test_change_is_found_whatever_the_time_stamp_says(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    raw = _raw(file)
    before = hash_files(raw)
    check_unchanged(raw, before)
    file.write_bytes(b"abd")

    with pytest.raises(DataError, match="a changed while it was read"):
        check_unchanged(raw, before)


def test_card_lists_all_files_or_the_first_1000() -> None:
    records = [{"path": str(number)} for number in range(1001)]

    assert card_entries(records[:1000]) == {"files": records[:1000]}
    assert card_entries(records) == {"files": records[:1000], "files_total": 1001, "files_sha256": digest(records)}
