"""`qatflow keygen` and `qatflow verify`: signed archives. They need no project and nothing running."""

from pathlib import Path
from typing import Annotated

import typer

from qatflow.deploy import signing
from qatflow.deploy.archive import read_archive
from qatflow.deploy.archive import verify as verify_archive

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="Gets the private key; FILE.pub the public one.")]
ArchiveFile = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Made by the deploy target archive.")]
Keys = Annotated[
    list[Path] | None, typer.Option("--key", help="Public key that must have signed; several may be named.")
]


def keygen(file: KeyFile) -> None:
    """Make a pair of ed25519 keys: one that signs archives, one that verifies them."""
    name = signing.make_keys(file)
    typer.echo(f" key {name}: {file} signs and stays here; {file}{signing.PUBLIC} verifies and may go anywhere")


def verify(archive: ArchiveFile, key: Keys = None) -> None:
    """Check an archive: whole, unaltered, and signed by a key that you name."""
    trusted = [signing.read_public_key(file) for file in key] if key else None
    sha256, signed_by = verify_archive(read_archive(archive), trusted)
    said = f"signed by key {signed_by}" if signed_by else "not signed"
    trust = "" if trusted or not signed_by else "; name the key you trust with --key to be sure of who that is"
    typer.echo(f" {archive}: whole; model {sha256}, {said}{trust}")
