"""`qatflow keygen`, `verify` and `sign`: signed archives and bundles. They need no project and nothing running."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow.deploy import openssf, signing
from qatflow.deploy.archive import read_archive
from qatflow.deploy.archive import verify as verify_archive
from qatflow.errors import DeployError

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="Gets the private key; FILE.pub the public one.")]
Signed = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="An archive; with --signature a bundle's folder.")]
Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="Public key that must have signed; several may be named.")
]
Signature = Annotated[Path | None, typer.Option(help="What `qatflow sign` wrote beside a bundle.")]
Who = Annotated[str | None, typer.Option("--identity", help="With --signature: who signed by sigstore's service.")]
Issuer = Annotated[str, typer.Option(help="With --identity: who vouches for it.")]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder, such as deployed/current.")]
EllipticKey = Annotated[
    Path | None, typer.Option("--key", help="Private key of an elliptic curve, PEM; without one sigstore's service.")
]


def keygen(file: KeyFile) -> None:
    """Make a pair of ed25519 keys: one that signs archives, one that verifies them."""
    name = signing.make_keys(file)
    typer.echo(f" key {name}: {file} signs and stays here; {file}{signing.PUBLIC} verifies and may go anywhere")


def verify(
    archive: Signed, key: Keys = None, signature: Signature = None, identity: Who = None, issuer: Issuer = ""
) -> None:
    """Check an archive: whole, unaltered, and signed by a key that you name."""
    if signature is not None:
        sha256 = openssf.verify_openssf(archive, signature, _signer(key, identity, issuer))
        typer.echo(f" {archive}: whole; model {sha256}, signed as {signature} says")
        return
    trusted = [signing.read_public_key(file) for file in key] if key else None
    sha256, signed_by = verify_archive(read_archive(archive), trusted)
    said = f"signed by key {signed_by}" if signed_by else "not signed"
    trust = "" if trusted or not signed_by else "; name the key you trust with --key to be sure of who that is"
    typer.echo(f" {archive}: whole; model {sha256}, {said}{trust}")


def sign(bundle: BundleFolder, signature: Annotated[Path, typer.Argument()], key: EllipticKey = None) -> None:
    """Sign a bundle's folder as the OpenSSF's model-signing does; needs qatflow\\[sigstore]."""
    openssf.sign_openssf(bundle, signature, key)
    typer.echo(f" {signature}: signs all files of {bundle}")


def _signer(keys: list[Path] | None, identity: str | None, issuer: str) -> Path | openssf.Identity:
    if keys and len(keys) == 1 and identity is None:
        return keys[0]
    if identity and issuer and not keys:
        return openssf.Identity(identity, issuer)
    raise DeployError("With --signature say who must have signed: --key FILE, or --identity NAME --issuer URL")
