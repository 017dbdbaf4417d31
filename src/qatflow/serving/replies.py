"""What the server answers: a reply, or a refusal that becomes one. No text in either comes from a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

Headers = tuple[tuple[bytes, bytes], ...]
JSON = b"application/json"
CLOSE = (b"connection", b"close")


class Reply(NamedTuple):
    """An HTTP reply.

    Attributes:
        headers: All but content-length, names in lower case.
    """

    status: int
    body: bytes
    headers: Headers = ((b"content-type", JSON),)


class RefusalError(Exception):
    """A request that is not answered as asked. Its message is shown to the client.

    Args:
        status: HTTP status, 4xx or 503.
        message: What was wrong and what would be right; holds nothing but the client's own values and the limits.
        headers: Further headers of the reply.
    """

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


def json_reply(content: Any, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    """Return a reply with JSON; arrays of NumPy are written as they are."""
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Reply(status, body, ((b"content-type", JSON), *headers))


def error_reply(refusal: RefusalError) -> Reply:
    """Return a refusal in the form of the Open Inference Protocol: `{"error": message}`."""
    return json_reply({"error": refusal.message}, refusal.status, refusal.headers)


def shown(value: Any, limit: int = 60) -> str:
    """Return a client's value for a message: one line of printable characters, shortened."""
    text = repr(value) if not isinstance(value, str) else value
    text = "".join(c if c.isprintable() else "?" for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "…"
