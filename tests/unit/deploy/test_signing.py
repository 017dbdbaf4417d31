"""Keys on disk, and signatures that fit or are refused."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from qatflow.deploy import signing
from qatflow.errors import ArtifactError, DeployError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
CONTENT = b"what is signed"
SIGNATURE = signing.sign(CONTENT, KEY)


def changed(**fields: str) -> bytes:
    return signing.canonical_json(json.loads(SIGNATURE) | fields).encode()


def test_a_signature_fits_its_content_and_key():
    name = signing.key_id(KEY.public_key())

    assert signing.check(CONTENT, SIGNATURE, None) == name
    assert signing.check(CONTENT, SIGNATURE, [OTHER.public_key(), KEY.public_key()]) == name
    assert signing.sign(CONTENT, KEY) == SIGNATURE


def test_without_a_signature_all_is_well_unless_one_is_asked_for():
    assert signing.check(CONTENT, None, None) is None
    with pytest.raises(ArtifactError, match=r"not signed; one of these keys"):
        signing.check(CONTENT, None, [KEY.public_key()])


@pytest.mark.parametrize(
    ("content", "signature", "trusted", "message"),
    [
        (CONTENT + b"!", SIGNATURE, None, "not what key .* signed"),
        (CONTENT, SIGNATURE, [OTHER.public_key()], "is not trusted"),
        (CONTENT, SIGNATURE, [], "is not trusted; trusted: none"),
        (CONTENT, signing.sign(CONTENT, OTHER), [KEY.public_key()], "is not trusted"),
        (CONTENT, changed(signature="0" * 128), None, "not what key .* signed"),
        (CONTENT, changed(public_key=OTHER.public_key().public_bytes_raw().hex()), None, "has another id"),
        (CONTENT, changed(algorithm="none"), None, "algorithm"),
        (CONTENT, changed(more="x"), None, "more: Extra inputs"),
        (CONTENT, SIGNATURE + b"\n", None, "not written as QATFlow writes it"),
        (CONTENT, b"[" * 100_000, None, "Its signature is not right"),
        (CONTENT, b"", None, "Its signature is not right"),
    ],
)
def test_what_does_not_fit_is_refused(content: bytes, signature: bytes, trusted, message: str):
    with pytest.raises(ArtifactError, match=message):
        signing.check(content, signature, trusted)


def test_keys_are_made_for_their_owner_alone_and_read_back(tmp_path: Path):
    name = signing.make_keys(tmp_path / "release.key")

    assert stat.S_IMODE((tmp_path / "release.key").stat().st_mode) == 0o600
    private = signing.read_private_key(tmp_path / "release.key")
    public = signing.read_public_key(tmp_path / "release.key.pub")
    assert signing.key_id(public) == name == signing.key_id(private.public_key())


@pytest.mark.parametrize("existing", ["k", "k.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, existing: str):
    (tmp_path / existing).write_text("mine")

    with pytest.raises(DeployError, match="never overwritten"):
        signing.make_keys(tmp_path / "k")

    assert [path.name for path in tmp_path.iterdir()] == [existing]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_private_key_that_others_may_use_is_refused(tmp_path: Path, mode: int):
    signing.make_keys(tmp_path / "k")
    (tmp_path / "k").chmod(mode)

    with pytest.raises(DeployError, match="chmod 600"):
        signing.read_private_key(tmp_path / "k")


def test_what_is_no_such_key_is_named(tmp_path: Path):
    signing.make_keys(tmp_path / "k")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "text").chmod(0o600)
    for read, name in [
        (signing.read_private_key, "text"),
        (signing.read_public_key, "text"),
        (signing.read_public_key, "k"),
        (signing.read_public_key, "gone"),
        (signing.read_private_key, "gone"),
    ]:
        with pytest.raises(DeployError, match=name):
            read(tmp_path / name)


def test_openssl_verifies_a_signature(tmp_path: Path):
    signing.make_keys(tmp_path / "k")
    said = json.loads(signing.sign(CONTENT, signing.read_private_key(tmp_path / "k")))
    (tmp_path / "signature").write_bytes(bytes.fromhex(said["signature"]))
    (tmp_path / "content").write_bytes(CONTENT)
    command = "openssl pkeyutl -verify -pubin -inkey k.pub -rawin -in content -sigfile signature"

    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "Signature Verified Successfully" in done.stdout
