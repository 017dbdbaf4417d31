"""The target http against a real `qatflow serve`: what it sends is live when it returns, or nothing changed."""

from pathlib import Path

import pytest

from qatflow.deploy import signing
from qatflow.deploy.base import Place
from qatflow.deploy.local import current, deploy_local
from qatflow.deploy.remote import deploy_http
from qatflow.errors import DeployError
from qatflow.params.deploy import DeployParams
from qatflow.release.bundle import load_bundle
from tests.serving.running import TOKEN, Running, serving
from tests.unit.release.fabricate import bundle, digits, flatbuffer

pytestmark = pytest.mark.slow


def place(server: Running, **settings: str) -> Place:
    return Place(Path(), "digits", DeployParams(url=server.url, **settings))


def test_a_signed_archive_is_live_and_others_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QATFLOW_TOKEN", TOKEN)
    old, new = bundle(tmp_path / "old", flatbuffer("int4")), bundle(tmp_path / "new")
    deploy_local(old, tmp_path / "root")
    signing.make_keys(tmp_path / "ours")
    signing.make_keys(tmp_path / "theirs")
    with serving(tmp_path / "home", tmp_path / "root", "--trusted-key", str(tmp_path / "ours.pub")) as server:
        for settings in ({}, {"key_file": str(tmp_path / "theirs")}):
            with pytest.raises(DeployError, match="refused: 422"):
                deploy_http(new, place(server, **settings))
        monkeypatch.setenv("QATFLOW_TOKEN", "wrong")
        with pytest.raises(DeployError, match="refused: 401"):
            deploy_http(new, place(server, key_file=str(tmp_path / "ours")))
        assert load_bundle(current(tmp_path / "root")).model == flatbuffer("int4")

        monkeypatch.setenv("QATFLOW_TOKEN", TOKEN)
        receipts = [deploy_http(new, place(server, key_file=str(tmp_path / "ours"))) for _ in range(2)]

        assert receipts[0] == receipts[1]
        reply = server.infer(digits().test.arrays(1)[0] * 16)
        assert reply.headers["x-model-sha256"] == load_bundle(new).sha256 == receipts[0]["model_sha256"]
    assert TOKEN not in (tmp_path / "home" / "log").read_text()
