"""Deploys to a running `qatflow serve`, here or elsewhere, over its authenticated API."""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from qatflow.deploy import signing
from qatflow.deploy.archive import pack
from qatflow.deploy.base import Place
from qatflow.errors import DeployError
from qatflow.params.deploy import DeployParams
from qatflow.release.bundle import load_bundle

MAX_REPLY_BYTES = 1 << 20
MAX_TOKEN_BYTES = 4096
POLL_S = 0.05
FIRST_ANSWER_S = 10.0


def deploy_http(bundle: Path, place: Place) -> dict[str, Any]:
    """Send a bundle's archive to `place.settings.url` and wait until it is live there; see `base.Target`.

    The server tries it in a process of its own before it takes traffic. One that is live already is not sent again.
    """
    settings = place.settings
    sha256, url = load_bundle(bundle).sha256, server_url(settings)
    with _client(url, settings) as client:
        if _live(client) != sha256:
            _put(client, pack(bundle, signing.key_of(settings)), sha256, settings.timeout_s)
            _wait(client, sha256, settings.timeout_s)
    return {"target": "http", "model_sha256": sha256, "url": url}


def server_url(settings: DeployParams) -> str:
    """Return the server's address.

    Raises:
        DeployError: If there is none, or a token would leave this machine unencrypted.
    """
    if settings.url is None:
        raise DeployError("The target http needs deploy.url, the address of a running `qatflow serve`")
    url = httpx.URL(settings.url)
    if url.scheme == "http" and not _is_here(url.host) and token_of(settings) and not settings.plain_http:
        raise DeployError(
            f"{settings.url} is not encrypted, and the token would go to another machine as plain text; "
            "use https, or set deploy.plain_http: true if the network between is your own"
        )
    return settings.url.rstrip("/")


def token_of(settings: DeployParams) -> str | None:
    """Return the token in the file or the environment variable that the settings name; None if there is none.

    Raises:
        DeployError: If the file cannot be read, or what is there cannot be a token.
    """
    where, found = settings.token_env, os.environ.get(settings.token_env)
    if settings.token_file is not None:
        where = settings.token_file
        if Path(where).exists() and not Path(where).is_file():  # a FIFO would be waited for
            raise DeployError(f"Cannot read the token in {where}: it is no regular file")
        try:
            found = Path(where).read_bytes()[: MAX_TOKEN_BYTES + 2].decode("ascii", "replace").strip()
        except OSError as error:
            raise DeployError(f"Cannot read the token in {where}: {error.strerror}") from None
    if found is not None and not (found.isascii() and found.isprintable() and 0 < len(found) <= MAX_TOKEN_BYTES):
        raise DeployError(f"{where} holds no token: 1 to {MAX_TOKEN_BYTES} printable ASCII characters are needed")
    return found


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _client(url: str, settings: DeployParams) -> httpx.Client:
    """Return a client that goes nowhere else: no redirect, no proxy and no password file of the environment."""
    token = token_of(settings)
    return httpx.Client(
        base_url=url,
        headers={} if token is None else {"authorization": f"Bearer {token}"},
        timeout=min(settings.timeout_s, FIRST_ANSWER_S),
        follow_redirects=False,
        trust_env=False,
        verify=ssl.create_default_context(),
    )


def _live(client: httpx.Client) -> str:
    """Return the digest of the model that the server answers with now."""
    return str(_mapping(_ask(client, "GET", "/v2/rollout").get("champion")).get("sha256"))


def _put(client: httpx.Client, archive: bytes, sha256: str, timeout_s: float) -> None:
    headers = {"content-type": "application/vnd.qatflow.bundle+zip"}
    reply = _ask(client, "PUT", "/v2/bundle", content=archive, headers=headers, timeout=timeout_s)
    if reply.get("model_sha256") != sha256:
        raise DeployError(f"{client.base_url} took the archive but names another model: {_shown(reply)}")


def _wait(client: httpx.Client, sha256: str, timeout_s: float) -> None:
    """Return when the server answers with the model."""
    deadline = time.monotonic() + timeout_s
    while (found := _live(client)) != sha256:
        if time.monotonic() > deadline:
            raise DeployError(f"{client.base_url} still answers with model {found[:12]}… after {timeout_s:g} s")
        time.sleep(POLL_S)


def _ask(client: httpx.Client, method: str, path: str, **request: Any) -> dict[str, Any]:
    """Return the JSON object of a reply with status 200; its size is bounded, and so is what an error repeats of it."""
    where = f"{client.base_url} ({method} {path})"
    try:
        with client.stream(method, path, **request) as reply:
            content = _limited(reply, time.monotonic() + reply.request.extensions["timeout"]["read"])
    except (httpx.HTTPError, ssl.SSLError) as error:
        raise DeployError(f"{where} does not answer: {_shown(str(error) or type(error).__name__)}") from None
    if reply.is_redirect:
        to = _shown(reply.headers.get("location", ""))
        raise DeployError(f"{where} redirects to {to}; a token is not sent elsewhere, so set deploy.url to the server")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = {}
    if reply.status_code != httpx.codes.OK:
        raise DeployError(f"{where} refused: {_reason(reply.status_code, _mapping(found))}")
    if not isinstance(found, dict) or not found:
        raise DeployError(f"{where} answered with something that is no JSON object; is it a `qatflow serve`?")
    return found


def _limited(reply: httpx.Response, deadline: float) -> bytes:
    """Return the body, neither too large nor too late; httpx's own limit begins anew with each byte."""
    content = b""
    for chunk in reply.iter_bytes():
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            raise DeployError(f"{reply.url} answers with more than {MAX_REPLY_BYTES} bytes; is it a `qatflow serve`?")
        if time.monotonic() > deadline:
            raise DeployError(f"{reply.url} answers too slowly")
    return content


def _reason(status: int, reply: Mapping[str, Any]) -> str:
    said = _shown(str(reply.get("error", "no reason given")))
    if status == httpx.codes.UNAUTHORIZED:
        return f"401, {said}; put its token into the file or environment variable that deploy names"
    return f"{status}, {said}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _shown(value: Any) -> str:
    """Return at most 300 printable characters of what another machine said."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value)[:300])
