"""model-signing is an extra: it signs where it is installed, and is named where it is not."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from qatflow.deploy.openssf import Identity, sign_openssf, verify_openssf
from qatflow.errors import ArtifactError, DeployError, MissingExtraError
from qatflow.release.bundle import load_bundle
from tests.unit.release.fabricate import bundle

INSTALLED = importlib.util.find_spec("model_signing") is not None


@pytest.mark.skipif(INSTALLED, reason="model-signing is installed")
def test_without_it_the_extra_is_named(tmp_path: Path):
    made = bundle(tmp_path)

    with pytest.raises(MissingExtraError, match=r"pip install 'qatflow\[sigstore\]'"):
        sign_openssf(made, tmp_path / "signature", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'qatflow\[sigstore\]'"):
        verify_openssf(made, tmp_path / "signature", Identity("ada@example.org", "https://issuer.example"))


@pytest.mark.skipif(not INSTALLED, reason="model-signing is not installed")
def test_with_it_a_bundle_is_signed_by_a_key_and_a_change_is_seen(tmp_path: Path):
    made = bundle(tmp_path)
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out k.pem",
        "openssl ec -in k.pem -pubout -out k.pub",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)

    sign_openssf(made, tmp_path / "signature", tmp_path / "k.pem")

    assert verify_openssf(made, tmp_path / "signature", tmp_path / "k.pub") == load_bundle(made).sha256
    (made / "manifest.json").write_text((made / "manifest.json").read_text() + "\n")
    with pytest.raises(ArtifactError, match=r"is not what .*signature signs"):
        verify_openssf(made, tmp_path / "signature", tmp_path / "k.pub")
    with pytest.raises(DeployError, match="model-signing cannot sign"):
        sign_openssf(made, tmp_path / "signature", tmp_path / "gone.pem")


def test_what_is_no_bundle_is_not_signed(tmp_path: Path):
    with pytest.raises(ArtifactError, match="is no bundle"):
        sign_openssf(tmp_path, tmp_path / "signature", None)
