"""Signs a bundle as the OpenSSF's model-signing does, for those whose chain of supply asks for it: an optional extra.

`pip install qatflow[sigstore]`. With a key of an elliptic curve (PEM; NIST P-256, say) all stays here. Without one,
sigstore's service signs for the identity that this machine has (a CI job's, say), and notes it in its public log.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qatflow.errors import ArtifactError, DeployError
from qatflow.extras import named
from qatflow.release.bundle import load_bundle


@dataclass(frozen=True)
class Identity:
    """Who must have signed by sigstore's service: such as an address, and who vouches for it."""

    name: str
    issuer: str


def sign_openssf(bundle: Path, signature: Path, key: Path | None) -> None:
    """Write a sigstore bundle over all files of a bundle.

    Raises:
        ArtifactError: If the bundle is not whole.
        DeployError: If the key is not right, or the service refuses.
        MissingExtraError: If model-signing is not installed.
    """
    load_bundle(bundle)
    config = _part("signing").Config()
    try:
        if key is None:
            config.use_sigstore_signer(use_ambient_credentials=True)
        else:
            config.use_elliptic_key_signer(private_key=key)
        config.sign(bundle, signature)
    except Exception as error:  # noqa: BLE001 (any of 35 packages; none of them is ours)
        raise DeployError(f"model-signing cannot sign {bundle}: {_line(error)}") from None


def verify_openssf(bundle: Path, signature: Path, who: Path | Identity) -> str:
    """Check that all files of a bundle are those that were signed; return the flatbuffer's digest.

    Args:
        bundle: The bundle.
        signature: What `sign_openssf` wrote.
        who: A public key's file, or an identity.

    Raises:
        ArtifactError: If the bundle is not whole, or not what they signed.
        MissingExtraError: If model-signing is not installed.
    """
    sha256 = load_bundle(bundle).sha256
    config = _part("verifying").Config()
    try:
        if isinstance(who, Identity):
            config.use_sigstore_verifier(identity=who.name, oidc_issuer=who.issuer)
        else:
            config.use_elliptic_key_verifier(public_key=who)
        config.verify(bundle, signature)
    except Exception as error:  # noqa: BLE001
        raise ArtifactError(f"{bundle} is not what {signature} signs: {_line(error)}") from None
    return sha256


@named("Signing as the OpenSSF does")
def _part(name: str) -> Any:
    return importlib.import_module(f"model_signing.{name}")


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
