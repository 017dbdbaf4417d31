"""The target http against a real server that takes archives, refuses them, or misbehaves."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from qatflow.artifacts import sha256_bytes
from qatflow.deploy import signing
from qatflow.deploy.archive import verify
from qatflow.deploy.base import Place
from qatflow.deploy.remote import MAX_REPLY_BYTES, deploy_http, server_url, token_of
from qatflow.errors import DeployError
from qatflow.params.deploy import DeployParams
from qatflow.release.bundle import load_bundle
from tests.unit.deploy.server import Handler, Server, serving, stalling
from tests.unit.release.fabricate import bundle, flatbuffer

TOKEN = "secret-token"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "device", TOKEN) as running:
        yield running


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QATFLOW_TOKEN", TOKEN)


def place(server: Server, **settings: Any) -> Place:
    return Place(Path(), "digits", DeployParams(url=server.url, **settings))


def test_the_model_is_live_when_it_returns_and_is_not_sent_twice(server: Server, tmp_path: Path):
    made = bundle(tmp_path)

    receipts = [deploy_http(made, place(server)) for _ in range(2)]

    assert server.live() == load_bundle(made).sha256
    assert receipts == [{"target": "http", "model_sha256": server.live(), "url": server.url}] * 2
    assert len(server.received) == 1


def test_the_archive_is_signed_with_the_key_of_the_settings(server: Server, tmp_path: Path):
    name = signing.make_keys(tmp_path / "k")

    deploy_http(bundle(tmp_path), place(server, key_file=str(tmp_path / "k")))

    assert verify(server.received[0])[1] == name


def test_the_token_comes_from_a_file_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QATFLOW_TOKEN", "wrong")
    (tmp_path / "token").write_text(TOKEN + "\n")

    deploy_http(bundle(tmp_path), place(server, token_file=str(tmp_path / "token")))

    assert server.live() is not None


@pytest.mark.parametrize("value", ["wrong", None])
def test_without_the_right_token_it_says_where_to_put_it(server: Server, tmp_path: Path, monkeypatch, value):
    monkeypatch.delenv("QATFLOW_TOKEN")
    if value:
        monkeypatch.setenv("QATFLOW_TOKEN", value)

    with pytest.raises(DeployError, match=r"refused: 401, a token is needed; put its token into"):
        deploy_http(bundle(tmp_path), place(server))

    assert server.live() is None


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe", b"x" * 5000])
def test_what_cannot_be_a_token_is_not_sent(tmp_path: Path, content: bytes):
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(DeployError, match="holds no token"):
        token_of(DeployParams(token_file=str(tmp_path / "token")))


def test_a_missing_token_file_is_named(tmp_path: Path):
    with pytest.raises(DeployError, match=r"Cannot read the token in .*gone"):
        token_of(DeployParams(token_file=str(tmp_path / "gone")))


@pytest.mark.parametrize("url", ["http://device.example", "http://10.1.2.3:80", "http://[2001:db8::1]"])
def test_a_token_does_not_go_to_another_machine_unencrypted(url: str):
    with pytest.raises(DeployError, match=r"use https, or set deploy.plain_http"):
        server_url(DeployParams(url=url))

    assert server_url(DeployParams(url=url, plain_http=True)) == url


@pytest.mark.parametrize("url", ["http://127.0.0.9:8080/", "http://localhost/x", "http://[::1]:1", "https://a.example"])
def test_it_goes_to_this_machine_and_over_https(url: str):
    assert server_url(DeployParams(url=url)) == url.rstrip("/")


def test_an_address_is_needed():
    with pytest.raises(DeployError, match=r"needs deploy\.url"):
        server_url(DeployParams())


SHA256 = sha256_bytes(flatbuffer("int8"))


def moved(handler: Handler) -> bool:
    handler.reply(307, {}, location=f"{handler.server.url}/elsewhere")
    return True


def huge(handler: Handler) -> bool:
    handler.reply(200, b" " * (MAX_REPLY_BYTES + 1))
    return True


def gone(handler: Handler) -> bool:
    handler.connection.close()
    return True


def broken(handler: Handler) -> bool:
    handler.reply(500, {"error": "line\r\nother\x1b[31m" + "x" * 1000})
    return True


def nested(handler: Handler) -> bool:
    handler.reply(200, b"[" * 100_000)
    return True


def liar(handler: Handler) -> bool:
    if handler.command == "PUT":
        handler.reply(200, {"model_sha256": "0" * 64})
    return handler.command == "PUT"


def slow(handler: Handler) -> bool:
    """Send a byte now and then, for ever."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)
    return True


def lazy(handler: Handler) -> bool:
    """Promise the model and never serve it."""
    if handler.command == "PUT":
        handler.reply(200, {"model_sha256": SHA256})
    return handler.command == "PUT"


FAULTS = {
    "redirect": (moved, r"redirects to http://127\.0\.0\.1:\d+/elsewhere; a token is not sent elsewhere"),
    "huge": (huge, r"more than \d+ bytes"),
    "hangs up": (gone, "does not answer"),
    "error": (broken, r"refused: 500, line  other \[31mx+$"),
    "nested": (nested, "no JSON object"),
    "liar": (liar, "names another model"),
    "lazy": (lazy, r"still answers with model None… after 1 s"),
    "stalls": (stalling(2), "does not answer"),
    "slow": (slow, "answers too slowly"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_misbehaving_server_is_named_and_the_token_never_shown(server: Server, tmp_path: Path, fault, message: str):
    made = bundle(tmp_path)
    server.fault = fault

    with pytest.raises(DeployError, match=message) as caught:
        deploy_http(made, place(server, timeout_s=1))

    assert TOKEN not in str(caught.value)
    assert server.live() is None


def test_nobody_there_is_named(tmp_path: Path, server: Server):
    settings = DeployParams(url="http://127.0.0.1:1")

    with pytest.raises(DeployError, match=r"127\.0\.0\.1:1.* does not answer: .*refused"):
        deploy_http(bundle(tmp_path), Place(Path(), "digits", settings))


def test_what_the_server_refuses_leaves_what_it_served(server: Server, tmp_path: Path):
    deploy_http(bundle(tmp_path / "good"), place(server))
    before = server.live()

    def refuse(handler: Handler) -> bool:
        handler.server.received[:] = [content[:-1] for content in handler.server.received]
        if handler.command == "PUT":
            handler.reply(*handler.install(handler.server.received[-1]))
        return handler.command == "PUT"

    server.fault = refuse
    with pytest.raises(DeployError, match=r"refused: 422, .*no archive of a bundle"):
        deploy_http(bundle(tmp_path / "next", flatbuffer("int4")), place(server))

    assert server.live() == before
