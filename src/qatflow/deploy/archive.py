"""Deploys to one file that can be sent anywhere: a bundle's files, unchanged, and a signature over its manifest."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qatflow.artifacts import MANIFEST, canonical_json, fsync_directory, sha256_bytes, write_bytes
from qatflow.deploy import signing
from qatflow.deploy.base import Place
from qatflow.deploy.plain_zip import MAX_BYTES, decode, encode
from qatflow.deploy.versions import DIGEST_LENGTH, tried
from qatflow.errors import ArtifactError, DeployError
from qatflow.release.bundle import load_bundle, parse_manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SUFFIX = ".qatflow"
SIGNATURE = "signature.json"


def deploy_archive(bundle: Path, place: Place) -> dict[str, Any]:
    """Write `<name>-<digest16>.qatflow` to the place, signed if it names a key file; see `base.Target`."""
    sha256 = load_bundle(bundle).sha256
    key = signing.key_of(place.settings)
    content = pack(bundle, key)
    file = place.path / f"{place.name}-{sha256[:DIGEST_LENGTH]}{SUFFIX}"
    with writing(place.path), _alone(place.path):
        if not file.is_file() or file.read_bytes() != content:
            _try(content, place.path)
            write_bytes(file, content)
    facts = {"file": file.name, "sha256": sha256_bytes(content), "key_id": key and signing.key_id(key.public_key())}
    return {"target": "archive", "model_sha256": sha256, **facts}


def pack(bundle: Path, key: Ed25519PrivateKey | None) -> bytes:
    """Return the archive of a bundle. Equal arguments give equal bytes.

    Raises:
        ArtifactError: If the bundle is not whole, or too large.
    """
    loaded = load_bundle(bundle)
    manifest = canonical_json(loaded.manifest.model_dump(mode="json")).encode()
    files = {name: (bundle / name).read_bytes() for name in loaded.manifest.files} | {MANIFEST: manifest}
    if SIGNATURE in files:
        raise ArtifactError(f"{bundle} lists a file {SIGNATURE}, which an archive keeps for its own")
    return encode(files if key is None else files | {SIGNATURE: signing.sign(manifest, key)})


def unpack(content: bytes, into: Path, trusted: Sequence[Ed25519PublicKey] | None = None) -> Path:
    """Write the bundle in an archive to the new folder `into`, and return `into`. All is checked before it appears.

    Args:
        content: What `pack` returned; anything else is refused.
        into: Must not exist; the folder around it is made.
        trusted: One of these keys must have signed; None asks for no signature, but one that is there must fit.

    Raises:
        ArtifactError: If the archive is damaged, not what was signed, or holds no whole bundle.
        DeployError: If `into` exists, or cannot be written.
    """
    files = _checked(content, trusted)
    if into.exists():
        raise DeployError(f"{into} exists already")
    with writing(into.parent):
        workplace = Path(tempfile.mkdtemp(prefix=f".{into.name}.", suffix=".tmp", dir=into.parent))
        try:
            for name, file in files.items():
                write_bytes(workplace / name, file)
            load_bundle(workplace)
            workplace.chmod(0o755)
            workplace.rename(into)
            fsync_directory(into.parent)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    return into


def verify(content: bytes, trusted: Sequence[Ed25519PublicKey] | None = None) -> tuple[str, str | None]:
    """Return the digest of the flatbuffer in an archive, and the id of the key that signed it, if one did.

    Raises:
        ArtifactError: As `unpack`.
    """
    with tempfile.TemporaryDirectory(prefix="qatflow-verify-") as folder:
        bundle = load_bundle(unpack(content, Path(folder) / "bundle", trusted))
    files = decode(content)
    return bundle.sha256, signing.check(files[MANIFEST], files.get(SIGNATURE), trusted)


def read_archive(file: Path) -> bytes:
    """Read an archive's bytes.

    Raises:
        ArtifactError: If it cannot be read, or is larger than any archive.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ArtifactError(f"Cannot read {file}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise ArtifactError(f"{file} is larger than {MAX_BYTES} bytes, so it is no archive of a bundle")
    return content


def _checked(content: bytes, trusted: Sequence[Ed25519PublicKey] | None) -> dict[str, bytes]:
    """Return the bundle's files, each as the manifest lists it, the manifest as it was signed."""
    files = decode(content)
    signature = files.pop(SIGNATURE, None)
    if MANIFEST not in files:
        raise ArtifactError(f"The archive holds no {MANIFEST}")
    signing.check(files[MANIFEST], signature, trusted)
    manifest = parse_manifest(files[MANIFEST], "The archive's " + MANIFEST)
    if canonical_json(manifest.model_dump(mode="json")).encode() != files[MANIFEST]:
        raise ArtifactError(f"The archive's {MANIFEST} is not written as QATFlow writes it")
    if set(files) != {MANIFEST, *manifest.files}:
        raise ArtifactError(
            f"The archive holds {', '.join(sorted(files))}; its {MANIFEST} lists {', '.join(sorted(manifest.files))}"
        )
    for name, listed in manifest.files.items():
        if len(files[name]) != listed.size_bytes or sha256_bytes(files[name]) != listed.sha256:
            raise ArtifactError(f"{name} in the archive was altered: it is not the file that its {MANIFEST} lists")
    return files


def _try(content: bytes, path: Path) -> None:
    """Unpack an archive aside and repeat its golden outputs, as whoever gets it will."""
    with tempfile.TemporaryDirectory(prefix=".try-", suffix=".tmp", dir=path) as folder:
        tried(unpack(content, Path(folder) / "bundle"))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder `path`, and name what stands in the way of writing there.

    Raises:
        DeployError: If the disk refuses.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DeployError(f"Cannot write to {path}: {error.strerror or error}; what was there is untouched") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other archivers out of `path`, and clear what a killed one left."""
    with (path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for leftover in path.glob(".*.tmp"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield
