"""The one gate before every route: a bearer token, compared in constant time; without one, only this machine itself.

A page of somebody else in a browser on this machine can send requests here: as its own origin's (CSRF), or under a name
of its own that it lets point to 127.0.0.1 (DNS rebinding). It cannot choose the headers Host, Origin and
Sec-Fetch-Site, which say so, nor send a token that it does not know.
"""

from __future__ import annotations

import hmac
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from qatflow.errors import ServingError
from qatflow.serving.replies import CLOSE, JSON, RefusalError

MIN_TOKEN = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253}?)\.?)(?::[0-9]{0,5})?")
UNASKED = frozenset({b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"})
"""Types that a page may send to any server without asking it first (Fetch standard, CORS-safelisted)."""


class Gate:
    """Lets requests in that carry one of the tokens; without tokens, those of programs on this machine.

    The time that a comparison takes says nothing of a token but, in theory, its length.
    """

    def __init__(self, tokens: tuple[str, ...] = ()) -> None:
        self.is_open = not tokens
        self._tokens = tuple(token.encode() for token in tokens)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Let the request pass.

        Raises:
            RefusalError: 401 without a token, or with one that is not known. Where there are none: 403 for another
                host than this machine, or from a web page; 415 for a content-type that web pages may send unasked.
        """
        if self.is_open:
            check_home(headers)
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        known = [hmac.compare_digest(token, known) for known in self._tokens]
        if scheme.lower() != b"bearer" or not any(known):
            raise RefusalError(
                401, "a bearer token is needed: Authorization: Bearer …", ((b"www-authenticate", b"Bearer"), CLOSE)
            )


def check_home(headers: Mapping[bytes, bytes]) -> None:
    """Check that a request is for this machine under one of its own names, and of no page in a browser.

    Raises:
        RefusalError: See `Gate.check`.
    """
    host = headers.get(b"host")
    if host is not None and not _is_loopback(host):
        raise RefusalError(
            403, "without --token-file only 127.0.0.1, [::1] and localhost are served, under these names", (CLOSE,)
        )
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site", b"none")
    foreign = origin is not None and (host is None or origin.lower() not in {b"http://" + host, b"https://" + host})
    if foreign or site not in {b"none", b"same-origin"}:
        raise RefusalError(403, "web pages may not ask this server without --token-file", (CLOSE,))
    kind = headers.get(b"content-type", JSON)
    if kind != JSON and kind.partition(b";")[0].strip().lower() in UNASKED:
        raise RefusalError(415, "give the body's type: content-type: application/json", (CLOSE,))


@lru_cache(maxsize=256)
def _is_loopback(host: bytes) -> bool:
    """Tell whether a Host header names this machine: localhost, or an address of the loopback, with any port."""
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = (found[1] or found[2]).decode("ascii").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def read_tokens(path: Path) -> tuple[str, ...]:
    """Return the tokens of a file, one a line: several, so that one can be replaced while both count.

    Raises:
        ServingError: If it cannot be read, others may read it, or it holds no token or one that is too short.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ServingError(f"{path} is no regular file; the tokens stand in one, one a line")
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"Cannot read the tokens in {path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ServingError(f"{path} can be read by others; `chmod 600 {path}` keeps the token yours")
    if not lines or min(map(len, lines)) < MIN_TOKEN:
        raise ServingError(f"{path} must hold one token a line, each of at least {MIN_TOKEN} characters")
    return tuple(lines)


def check_exposure(host: str, gate: Gate) -> None:
    """Refuse to serve other machines without a token.

    Raises:
        ServingError: If `host` is not loopback and no token is set.
    """
    if gate.is_open and host not in LOOPBACK:
        raise ServingError(f"Serving on {host} lets other machines in; give --token-file, or serve on 127.0.0.1")
