"""The one gate before every route: a bearer token, compared in constant time."""

from __future__ import annotations

import hmac
import stat
from collections.abc import Mapping
from pathlib import Path

from qatflow.errors import ServingError
from qatflow.serving.replies import CLOSE, RefusalError

MIN_TOKEN = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Gate:
    """Lets requests in that carry one of the tokens; without tokens, all.

    The time that a comparison takes says nothing of a token but, in theory, its length.
    """

    def __init__(self, tokens: tuple[str, ...] = ()) -> None:
        self.is_open = not tokens
        self._tokens = tuple(token.encode() for token in tokens)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Let the request pass.

        Raises:
            RefusalError: 401 without a token, or with one that is not known.
        """
        if self.is_open:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        known = [hmac.compare_digest(token, known) for known in self._tokens]
        if scheme.lower() != b"bearer" or not any(known):
            raise RefusalError(
                401, "a bearer token is needed: Authorization: Bearer …", ((b"www-authenticate", b"Bearer"), CLOSE)
            )


def read_tokens(path: Path) -> tuple[str, ...]:
    """Return the tokens of a file, one a line: several, so that one can be replaced while both count.

    Raises:
        ServingError: If it cannot be read, others may read it, or it holds no token or one that is too short.
    """
    try:
        mode = path.stat().st_mode
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
