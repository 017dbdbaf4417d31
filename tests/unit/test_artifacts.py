"""Sealed folders: whole or absent, and any alteration is noticed."""

from pathlib import Path

import numpy as np
import pytest

from qatflow import artifacts
from qatflow.errors import ArtifactError


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    with artifacts.stage_output(tmp_path / "out", "demo") as out:
        (out / "a.txt").write_text("content")
        (out / "sub").mkdir()
        (out / "sub" / "b.bin").write_bytes(bytes(100))
    return tmp_path / "out"


def test_manifest_lists_every_file(sealed: Path) -> None:
    manifest = artifacts.verify(sealed)

    assert manifest["stage"] == "demo"
    assert {name: entry["size_bytes"] for name, entry in manifest["files"].items()} == {"a.txt": 7, "sub/b.bin": 100}


def test_parents_are_kept_by_digest(sealed: Path, tmp_path: Path) -> None:
    with artifacts.stage_output(tmp_path / "child", "child", {"demo": sealed}):
        pass

    assert artifacts.verify(tmp_path / "child")["parents"] == {"demo": artifacts.sha256_file(sealed / "manifest.json")}


def test_failure_leaves_the_former_output(sealed: Path) -> None:
    def fail() -> None:
        with artifacts.stage_output(sealed, "demo") as out:
            (out / "a.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (sealed / "a.txt").read_text() == "content"
    assert [path.name for path in sealed.parent.iterdir()] == ["out"]


def _flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda out: _flip_bit(out / "sub" / "b.bin"), "b.bin was altered"),
        (lambda out: (out / "sub" / "b.bin").write_bytes(b""), "b.bin was altered"),
        (lambda out: (out / "a.txt").unlink(), "a.txt is missing"),
        (lambda out: (out / "manifest.json").unlink(), "manifest.json is missing"),
        (lambda out: (out / "manifest.json").write_text("{"), "not JSON"),
        (lambda out: (out / "manifest.json").write_text('{"schema": 99}'), "has schema 99"),
    ],
)
def test_damage_is_named(sealed: Path, damage: object, words: str) -> None:
    damage(sealed)  # type: ignore[operator]

    with pytest.raises(ArtifactError, match=words):
        artifacts.verify(sealed)


def test_equal_arrays_give_equal_bytes_in_order(tmp_path: Path) -> None:
    arrays = {"b": np.arange(3), "a": np.ones((2, 2), np.float32)}
    artifacts.save_arrays(tmp_path / "1.npz", arrays)
    artifacts.save_arrays(tmp_path / "2.npz", arrays)

    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert list(artifacts.load_arrays(tmp_path / "1.npz")) == ["b", "a"]


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", a=np.array([{}], dtype=object))

    with pytest.raises(ArtifactError, match=r"bad\.npz"):
        artifacts.load_arrays(tmp_path / "bad.npz")


def test_write_is_atomic_and_leaves_no_temporary(tmp_path: Path) -> None:
    artifacts.write_json(tmp_path / "x.json", {"b": 1, "a": [1.5]})

    assert artifacts.read_json(tmp_path / "x.json") == {"a": [1.5], "b": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
