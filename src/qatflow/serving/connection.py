"""uvicorn's HTTP connection with limits that it lacks: number, size and time of heads, and clients that stall."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 32 << 10


class GuardedConnection(HttpToolsProtocol):
    """Closes connections beyond `max_connections`, heads that are large or slow, and clients that do not read.

    A request whose head arrives whole, the usual case, costs no timer.
    """

    max_connections = 4096
    timeout_s = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it if there are too many."""
        super().connection_made(transport)
        self._in_head, self._head_bytes = True, 0
        self._timer: asyncio.TimerHandle | None = None
        self._watch()
        if len(self.connections) > self.max_connections:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and watch for a head that does not end."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()
            else:
                self._watch()

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Note that it ended; the application has its own time for the body."""
        self._in_head = False
        self._unwatch()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Give a client that does not read its replies some time."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Forget that it was slow."""
        super().resume_writing()
        self._unwatch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.timeout_s, self._late)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


def connection_class(max_connections: int, timeout_s: float) -> type[Any]:
    """Return the class of connections with these limits."""
    return type("Connection", (GuardedConnection,), {"max_connections": max_connections, "timeout_s": timeout_s})
