"""`qatflow keygen`, `verify` and `sign` as a user types them."""

import importlib.util
from pathlib import Path

import pytest

from qatflow.deploy import signing
from qatflow.deploy.archive import pack
from qatflow.release.bundle import load_bundle
from tests.unit.cli.commands import fail, run
from tests.unit.release.fabricate import bundle


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a key `k` and an archive `signed` by it."""
    monkeypatch.chdir(tmp_path)
    assert "k signs and stays here; k.pub verifies" in run("keygen", "k")
    Path("signed").write_bytes(pack(bundle(tmp_path), signing.read_private_key(Path("k"))))
    return tmp_path


def test_an_archive_is_verified_with_and_without_a_key(folder: Path):
    sha256 = load_bundle(folder / "bundle").sha256

    assert f"signed: whole; model {sha256}, signed by key" in run("verify", "signed", "--key", "k.pub")
    assert "name the key you trust with --key" in run("verify", "signed")


def test_mistakes_end_with_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch):
    run("keygen", "other")
    (folder / "cut").write_bytes((folder / "signed").read_bytes()[:-1])

    assert "is not trusted" in fail(monkeypatch, "verify", "signed", "--key", "other.pub")
    assert "no archive of a bundle" in fail(monkeypatch, "verify", "cut")
    assert "no public ed25519 key" in fail(monkeypatch, "verify", "signed", "--key", "k")
    assert "never overwritten" in fail(monkeypatch, "keygen", "k")
    assert "--key FILE, or --identity" in fail(monkeypatch, "verify", "bundle", "--signature", "s")
    if importlib.util.find_spec("model_signing") is None:
        assert "qatflow[sigstore]" in fail(monkeypatch, "sign", "bundle", "s", "--key", "k")
