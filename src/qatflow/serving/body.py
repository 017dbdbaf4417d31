"""Reads a request's body: within its size, within its time, decompressed within the same size."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from qatflow.serving.replies import CLOSE, RefusalError, shown

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
GZIP, MAX_MEMBERS = b"\x1f\x8b", 64
"""A gzip file may have several members, one behind the other (RFC 1952, 2.2)."""
AUTO_HEADER = 32 + zlib.MAX_WBITS
"""zlib's sign for: gzip or zlib, whichever the bytes say."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was whole."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int, timeout_s: float) -> bytes:
    """Return the body, decompressed.

    Raises:
        RefusalError: 413 if it is larger than `limit` bytes, on the wire or decompressed; 408 if it has not come within
            `timeout_s`; 415 for an unknown compression, 400 for a broken one.
        ClientGoneError: See there.
    """
    length = headers.get(b"content-length")
    if length is not None and int(length) > limit:  # the parser lets only digits pass
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise _too_large(limit)
    else:
        try:
            async with asyncio.timeout(timeout_s):
                body = await _rest(receive, message, limit)
        except TimeoutError:
            raise RefusalError(408, f"the request did not arrive within {timeout_s:g} s", (CLOSE,)) from None
    encoding = headers.get(b"content-encoding")
    return body if encoding is None else _decompressed(body, encoding.lower(), limit)


def parse_json(text: bytes) -> Any:
    """Return what a body says.

    Raises:
        RefusalError: 400 if it is not JSON, or nests too deeply.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"the body is not JSON: {error.msg} at character {error.pos}") from None


async def _rest(receive: Receive, message: MutableMapping[str, Any], limit: int) -> bytes:
    parts, size = [], 0
    while True:
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding == b"identity":
        return body
    if encoding not in {b"gzip", b"deflate"}:
        raise RefusalError(415, f"content-encoding {shown(encoding.decode('latin-1'))}; expected gzip or deflate")
    parts, left, size = [], body, 0
    for _ in range(MAX_MEMBERS):
        machine = zlib.decompressobj(AUTO_HEADER)
        try:
            parts.append(machine.decompress(left, limit + 1 - size))
        except zlib.error:
            raise RefusalError(400, "the body is not what its content-encoding says") from None
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not machine.eof:
            raise RefusalError(400, "the compressed body ends too early")
        left = machine.unused_data
        if not left:
            return b"".join(parts)
        if encoding != b"gzip" or not left.startswith(GZIP):
            raise RefusalError(400, f"{len(left)} bytes follow the compressed body")
    raise RefusalError(400, f"the body has more than {MAX_MEMBERS} gzip members")


def _too_large(limit: int) -> RefusalError:
    return RefusalError(413, f"the body is larger than {limit} bytes", (CLOSE,))
