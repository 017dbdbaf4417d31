"""One file that holds a bundle, signed; whatever is not just that is refused before anything is written."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from qatflow import artifacts
from qatflow.artifacts import canonical_json
from qatflow.deploy import signing
from qatflow.deploy.archive import deploy_archive, pack, read_archive, unpack, verify
from qatflow.deploy.base import Place
from qatflow.deploy.plain_zip import decode, encode
from qatflow.errors import ArtifactError, DeployError
from qatflow.params.deploy import DeployParams
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return bundle(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("key", [None, KEY])
def test_a_bundle_comes_back_byte_for_byte(made: Path, tmp_path: Path, key):
    unpacked = unpack(pack(made, key), tmp_path / "deep" / "unpacked")

    assert unpacked == tmp_path / "deep" / "unpacked"
    assert contents(unpacked) == contents(made)
    assert [path.name for path in unpacked.parent.iterdir()] == ["unpacked"]
    assert pack(unpacked, key) == pack(made, key)


def test_a_manifest_with_other_spaces_is_packed_in_its_one_form(made: Path, tmp_path: Path):
    expected = pack(made, KEY)
    (made / "manifest.json").write_text(json.dumps(json.loads((made / "manifest.json").read_text())))

    assert pack(made, KEY) == expected


def test_a_trusted_key_must_have_signed(made: Path, tmp_path: Path):
    sha256 = load_bundle(made).sha256

    assert verify(pack(made, KEY), [KEY.public_key()]) == (sha256, signing.key_id(KEY.public_key()))
    assert verify(pack(made, None)) == (sha256, None)
    for content in (pack(made, None), pack(made, OTHER)):
        with pytest.raises(ArtifactError, match=r"not signed|not trusted"):
            unpack(content, tmp_path / "unpacked", [KEY.public_key()])
    assert not (tmp_path / "unpacked").exists()


def _relisted(files: dict[str, bytes], **fields) -> dict[str, bytes]:
    manifest = json.loads(files["manifest.json"]) | fields
    return files | {"manifest.json": canonical_json(manifest).encode()}


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "no manifest": (lambda files: {n: c for n, c in files.items() if n != "manifest.json"}, "holds no manifest"),
    "file more": (lambda files: files | {"run.sh": b"#!"}, "holds .*run.sh"),
    "file less": (lambda files: {n: c for n, c in files.items() if n != "golden.npz"}, "lists .*golden.npz"),
    "other model": (lambda files: files | {"model.tflite": files["model.tflite"] + b"\0"}, "model.tflite .* altered"),
    "same size": (lambda files: files | {"MODEL_CARD.md": files["MODEL_CARD.md"][::-1]}, "MODEL_CARD.md .* altered"),
    "other score": (lambda files: _relisted(files, score=1.0), "not what key"),
    "no json": (lambda files: files | {"manifest.json": b"{"}, "not what key"),
    "other spaces": (lambda files: files | {"manifest.json": files["manifest.json"] + b"\n"}, "not what key"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_changed_archive_is_refused_and_nothing_written(made: Path, tmp_path: Path, change, message: str):
    content = encode(change(decode(pack(made, KEY))))

    with pytest.raises(ArtifactError, match=message):
        unpack(content, tmp_path / "there" / "unpacked", [KEY.public_key()])

    assert not (tmp_path / "there").exists()


UNSIGNED = {
    "no json": (lambda files: files | {"manifest.json": b"{"}, "manifest.json is not right"),
    "nested": (lambda files: files | {"manifest.json": b"[" * 10**6}, "manifest.json is not right"),
    "other spaces": (lambda files: files | {"manifest.json": files["manifest.json"] + b"\n"}, "as QATFlow writes it"),
    "score NaN": (lambda files: files | {"manifest.json": b'{"score": NaN}'}, "manifest.json is not right"),
}


@pytest.mark.parametrize(("change", "message"), UNSIGNED.values(), ids=UNSIGNED)
def test_a_malformed_manifest_is_named_without_a_signature_too(made: Path, tmp_path: Path, change, message: str):
    with pytest.raises(ArtifactError, match=message):
        unpack(encode(change(decode(pack(made, None)))), tmp_path / "unpacked")


def test_what_exists_is_not_overwritten(made: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()

    with pytest.raises(DeployError, match="mine exists already"):
        unpack(pack(made, None), tmp_path / "mine")


def test_the_target_signs_with_the_key_of_its_settings(made: Path, tmp_path: Path):
    signing.make_keys(tmp_path / "k")
    place = Place(tmp_path / "out", "digits", DeployParams(key_file=str(tmp_path / "k")))

    receipt = deploy_archive(made, place)

    sha256 = load_bundle(made).sha256
    content = read_archive(place.path / receipt["file"])
    assert receipt["file"] == f"digits-{sha256[:16]}.qatflow"
    assert verify(content, [signing.read_public_key(tmp_path / "k.pub")]) == (sha256, receipt["key_id"])


def test_a_model_that_does_not_repeat_its_golden_outputs_is_not_archived(made: Path, tmp_path: Path):
    place = Place(tmp_path / "out")
    deploy_archive(made, place)
    before = contents(place.path)
    wrong = bundle(tmp_path / "wrong")
    golden = artifacts.load_arrays(wrong / "golden.npz")
    golden["outputs"] = golden["outputs"][::-1]
    _relist(wrong, golden)

    with pytest.raises(DeployError, match="golden outputs differ"):
        deploy_archive(wrong, place)

    assert contents(place.path) == before


def _relist(made: Path, golden) -> None:
    artifacts.save_arrays(made / "golden.npz", golden)
    manifest = json.loads((made / "manifest.json").read_text())
    content = (made / "golden.npz").read_bytes()
    manifest["files"]["golden.npz"] = {"sha256": artifacts.sha256_bytes(content), "size_bytes": len(content)}
    artifacts.write_json(made / "manifest.json", manifest)


def test_what_a_killed_one_left_is_cleared(made: Path, tmp_path: Path):
    (tmp_path / "out" / ".try-x.tmp").mkdir(parents=True)
    (tmp_path / "out" / ".digits.1.tmp").touch()

    deploy_archive(made, Place(tmp_path / "out", "digits"))

    assert len([path for path in (tmp_path / "out").iterdir() if path.name != ".lock"]) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(made: Path, tmp_path: Path):
    (tmp_path / "out").mkdir(mode=0o500)

    with pytest.raises(DeployError, match=r"Cannot write to .*out: Permission denied"):
        deploy_archive(made, Place(tmp_path / "out"))


def test_a_file_in_the_way_is_named(made: Path, tmp_path: Path):
    (tmp_path / "out").touch()

    with pytest.raises(DeployError, match=r"Cannot write to .*out"):
        deploy_archive(made, Place(tmp_path / "out"))


def test_a_missing_or_huge_file_is_no_archive(tmp_path: Path):
    with pytest.raises(ArtifactError, match="Cannot read"):
        read_archive(tmp_path / "gone")
