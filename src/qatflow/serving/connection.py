"""uvicorn's HTTP connection with limits that it lacks: number, size and time of heads, and clients that stall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from qatflow.errors import ServingError
from qatflow.params.serving import ServingParams
from qatflow.serving.heads import check_head
from qatflow.serving.replies import CLOSE, Headers, json_reply

WRITE, HEADERS = "qatflow.write", "qatflow.headers"
PROBES = frozenset({"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/metrics"})
REFUSED = frozenset({401, 403, 429})
"""Statuses that say nothing of who asks."""
BUSY = json_reply({"error": "too many requests are in work; try again"}, 429, [(b"retry-after", b"1")])
BUSY = BUSY._replace(headers=(*BUSY.headers, (b"content-length", b"%d" % len(BUSY.body))))
MAX_HEAD_BYTES = 32 << 10
HOOK = "_start_asgi_task"
"""What uvicorn calls for each request, and shedding overrides. It is private: another version may do without."""


def check_hook() -> None:
    """Check that this uvicorn calls what shedding overrides; `pyproject.toml` names versions that do.

    Raises:
        ServingError: If it does not: overload would then not be shed, and no word said.
    """
    calls = HttpToolsProtocol.on_headers_complete.__code__.co_names
    if HOOK not in vars(HttpToolsProtocol) or HOOK not in calls:
        raise ServingError(
            f"uvicorn {uvicorn.__version__} does not call {HOOK}, by which overload is shed; install one that "
            "pyproject.toml allows: pip install 'uvicorn>=0.45,<0.55'"
        )


class GuardedConnection(HttpToolsProtocol):
    """Closes connections beyond `max_connections`, heads that are large or slow, and clients that do not read.

    Beyond `max_connections` the oldest goes on which nothing was ever answered but refusals of the token, and which
    waits for nothing: idle connections of strangers give way to those who may ask. Without one it is the new one.

    With `max_requests` in work, further ones but probes are answered with 429 at once, and `shed` is called for each.

    A request whose head arrives whole, the usual case, costs no timer.
    """

    max_connections, max_requests = 4096, 256
    timeout_s = 10.0
    shed: Callable[[], None]
    strangers: dict[GuardedConnection, None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it if there are too many."""
        super().connection_made(transport)
        self._in_head, self._head_bytes = True, 0
        self._timer: asyncio.TimerHandle | None = None
        self._watch()
        self._is_stranger, self.strangers[self] = True, None
        if len(self.connections) > self.max_connections:
            next((one for one in self.strangers if one.cycle is None), self).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and watch for a head that does not end."""
        self._has_room = self._head_bytes + len(data) <= MAX_HEAD_BYTES
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
        named = dict(self.headers)
        check_head(self.parser.get_http_version(), self.headers, named)  # after an error uvicorn answers 400 and closes
        if not self._has_room and len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers) > MAX_HEAD_BYTES:
            raise ValueError("too large a head")
        self.scope[HEADERS] = named  # type: ignore[literal-required]
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the application, with a short way to write its reply, or shed the request: that takes no task."""
        if len(self.tasks) >= self.max_requests and cycle.scope["path"] not in PROBES:
            self.shed()
            self.write_reply(cycle, 429, BUSY.headers, BUSY.body)
            return
        cycle.scope[WRITE] = partial(self.write_reply, cycle)  # type: ignore[literal-required]
        super()._start_asgi_task(cycle, app)

    def write_reply(self, cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
        """Write a whole reply at once, as ASGI's two messages would; return False where that is not possible.

        uvicorn's own way takes 25 % of the time of a small request. Names and values are ours and hold no line breaks.
        """
        if self._is_stranger and status not in REFUSED:
            self._is_stranger = False
            self.strangers.pop(self, None)
        if cycle.disconnected or cycle.response_started or self.flow.write_paused:
            return False
        keep_alive = cycle.keep_alive and CLOSE not in headers
        lines = [b"%b: %b\r\n" % header for header in headers]
        if not cycle.keep_alive and CLOSE not in headers:
            lines.append(b"connection: close\r\n")
        if cycle.scope["method"] == "HEAD":
            body = b""
        self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue, cycle.keep_alive = False, keep_alive
        cycle.message_event.set()
        if not keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

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
        self.strangers.pop(self, None)
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


def connection_class(limits: ServingParams, shed: Callable[[], None]) -> type[Any]:
    """Return the class of connections with these limits."""
    own = {name: getattr(limits, name) for name in ("max_connections", "max_requests", "timeout_s")}
    return type("Connection", (GuardedConnection,), {**own, "shed": staticmethod(shed), "strangers": {}})
