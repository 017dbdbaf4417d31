"""The ASGI application: one gate, one table of routes, one place where errors become replies."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from qatflow.errors import ConversionError
from qatflow.serving.body import ClientGoneError, Receive
from qatflow.serving.connection import HEADERS, WRITE
from qatflow.serving.gate import Gate
from qatflow.serving.inference import Request
from qatflow.serving.meter import Meter
from qatflow.serving.replies import CLOSE, RefusalError, Reply, error_reply

Handler = Callable[[Request], Awaitable[Reply]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger(__name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class App:
    """Answers HTTP requests.

    Args:
        routes: Path -> method -> handler.
        patterns: The same for paths with a variable part, as regular expressions of the whole path.
    """

    def __init__(
        self,
        routes: dict[str, dict[str, Handler]],
        patterns: dict[str, dict[str, Handler]],
        gate: Gate,
        meter: Meter,
    ) -> None:
        self._routes, self._gate, self._meter = routes, gate, meter
        self._patterns = [(re.compile(pattern), pattern, methods) for pattern, methods in patterns.items()]
        self.is_draining = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; ASGI's interface."""
        started = time.perf_counter()
        self._meter.active += 1
        try:
            request = _request(scope, receive)
            route, methods = self._found(request.path)
            reply = await self._reply(request, methods)
            if reply is not None:
                await self._send(reply, scope.pop(WRITE, None), send)
                self._meter.request(_known(request.method), route, reply.status, time.perf_counter() - started)
                if request.after is not None:
                    request.after()
        finally:
            self._meter.active -= 1

    def shed(self) -> None:
        """Count a request that was not let in."""
        self._meter.request("POST", "shed", 429, 0.0)

    def _found(self, path: str) -> tuple[str, dict[str, Handler] | None]:
        """Return the route's name for metrics and its handlers; unknown paths share one name."""
        methods = self._routes.get(path)
        if methods is not None:
            return path, methods
        for pattern, name, found in self._patterns:
            if pattern.fullmatch(path):
                return name, found
        return "unknown", None

    async def _reply(self, request: Request, methods: dict[str, Handler] | None) -> Reply | None:
        """Return the reply, None if the client is gone."""
        try:
            return await self._handled(request, methods)
        except RefusalError as refusal:
            return error_reply(refusal)
        except ClientGoneError:
            return None
        except ConversionError:
            log.exception("the model failed")
            return error_reply(RefusalError(503, "the model failed on this request", (CLOSE,)))
        except MemoryError:
            log.error("no memory for a request")  # noqa: TRY400 (a traceback would need some)
            return error_reply(RefusalError(503, "no memory for this request; send less at once", (CLOSE,)))
        except Exception:
            log.exception("a request failed")
            return error_reply(RefusalError(500, "the server failed on this request; its log says why", (CLOSE,)))

    async def _handled(self, request: Request, methods: dict[str, Handler] | None) -> Reply:
        self._gate.check(request.headers)
        if methods is None:
            raise RefusalError(404, "there is no such path; /v2 lists what this server speaks", (CLOSE,))
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            allowed = ", ".join(sorted({*methods, *({"HEAD"} if "GET" in methods else ())}))
            raise RefusalError(405, f"allowed here: {allowed}", ((b"allow", allowed.encode()), CLOSE))
        return await handler(request)

    async def _send(self, reply: Reply, write: Callable[..., bool] | None, send: Send) -> None:
        headers = (*reply.headers, (b"content-length", b"%d" % len(reply.body)))
        if self.is_draining and CLOSE not in headers:
            headers = (*headers, CLOSE)
        if write is not None and write(reply.status, headers, reply.body):
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": reply.body})


def _request(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    headers = scope.pop(HEADERS, None)
    return Request(
        scope["method"],
        scope["path"],
        dict(scope["headers"]) if headers is None else headers,
        receive,
        scope.get("client"),
    )


def _known(method: str) -> str:
    return method if method in METHODS else "other"
