"""Signs a bundle's manifest, which names every other file by its digest: ed25519 (RFC 8032), keys in PEM files."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qatflow.artifacts import canonical_json, sha256_bytes, write_bytes
from qatflow.errors import ArtifactError, DeployError
from qatflow.extras import named
from qatflow.params.deploy import DeployParams

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC = ".pub"
MAX_KEY_BYTES = 16 << 10


class Signature(BaseModel):
    """What signature.json says; all bytes in hex.

    Attributes:
        key_id: Of the public key, see `key_id`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    algorithm: Literal["ed25519"] = "ed25519"
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


def key_id(key: Ed25519PublicKey) -> str:
    """Return a key's short name: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return sha256_bytes(key.public_bytes_raw())[:16]


def sign(content: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return signature.json over `content`. Equal arguments give equal bytes."""
    public = key.public_key()
    made = Signature(
        key_id=key_id(public), public_key=public.public_bytes_raw().hex(), signature=key.sign(content).hex()
    )
    return canonical_json(made.model_dump()).encode()


@named("Checking a signature")
def check(content: bytes, signature: bytes | None, trusted: Sequence[Ed25519PublicKey] | None) -> str | None:
    """Return the id of the key that signed `content`; None if there is no signature and none is asked for.

    Args:
        content: What was signed.
        signature: signature.json, if there is one. It must fit even if no key is trusted.
        trusted: One of these must have signed; None asks for no signature.

    Raises:
        ArtifactError: If the signature is missing, malformed, of an unknown key, or not over `content`.
    """
    if signature is None:
        if trusted is not None:
            raise ArtifactError(f"It is not signed; one of these keys must have signed it: {_ids(trusted)}")
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said = _parse(signature)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said.public_key))
    if said.key_id != key_id(key):
        raise ArtifactError(f"Its signature is not right: key {said.key_id} has another id")
    if trusted is not None and said.key_id not in map(key_id, trusted):
        raise ArtifactError(f"Key {said.key_id}, which signed it, is not trusted; trusted: {_ids(trusted)}")
    try:
        key.verify(bytes.fromhex(said.signature), content)
    except InvalidSignature:
        raise ArtifactError(f"It is not what key {said.key_id} signed: manifest or signature was altered") from None
    return said.key_id


def make_keys(file: Path) -> str:
    """Write a new private key to `file`, readable by its owner alone, and the public one beside it; return its id.

    Raises:
        DeployError: If either exists already, or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key, public_file = Ed25519PrivateKey.generate(), file.with_name(file.name + PUBLIC)
    for path in (file, public_file):
        if path.exists():
            raise DeployError(f"{path} exists already; a key is never overwritten, choose another name")
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as private:
            private.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        write_bytes(public_file, public)
    except OSError as error:
        raise DeployError(f"Cannot write {error.filename or file}: {error.strerror}") from None
    return key_id(key.public_key())


def key_of(settings: DeployParams) -> Ed25519PrivateKey | None:
    """Return the private key that `settings` names, if it names one.

    Raises:
        DeployError: As `read_private_key`.
    """
    return None if settings.key_file is None else read_private_key(Path(settings.key_file))


@named("Signing")
def read_private_key(file: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        DeployError: If it is missing, no ed25519 key in PEM without a password, or others may read it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise DeployError(f"Others than its owner may use the private key {file}; run: chmod 600 {file}")
    content = _read(file)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise DeployError(f"{file} is no private ed25519 key (PEM, no password); `qatflow keygen FILE` makes one")
    return key


@named("Checking a signature")
def read_public_key(file: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        DeployError: If it is missing, or no ed25519 public key in PEM.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = _read(file)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise DeployError(f"{file} is no public ed25519 key (PEM); `qatflow keygen FILE` writes one to FILE{PUBLIC}")
    return key


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY_BYTES)
    except OSError as error:
        raise DeployError(f"Cannot read the key {file}: {error.strerror}") from None


def _parse(signature: bytes) -> Signature:
    """Read signature.json, of which only the one canonical form counts."""
    try:
        said = Signature.model_validate_json(signature)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "JSON"
        raise ArtifactError(f"Its signature is not right: {where}: {fault['msg']}") from None
    if canonical_json(said.model_dump()).encode() != signature:
        raise ArtifactError("Its signature is not right: it is not written as QATFlow writes it")
    return said


def _ids(keys: Sequence[Ed25519PublicKey]) -> str:
    return ", ".join(map(key_id, keys)) or "none"
