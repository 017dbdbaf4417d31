"""The process: one event loop on uvicorn, the watcher beside it, a drain when it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvicorn

from qatflow.errors import ServingError
from qatflow.params.serving import ServingParams
from qatflow.serving.app import App
from qatflow.serving.connection import connection_class

log = logging.getLogger(__name__)
KEEP_ALIVE_S = 75
LAME_DUCK_S = 1.0
"""A server that stops still takes requests for so long, each with `connection: close`, so that none is cut off."""
NEWCOMERS_S = 0.5
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
IGNORED = (signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int


class Server(uvicorn.Server):
    """uvicorn's server, which drains before it stops.

    Args:
        follow: Runs beside the server until it stops.
        started: Called with the address once requests are taken.
    """

    def __init__(
        self,
        app: App,
        limits: ServingParams,
        follow: Callable[[], Awaitable[None]] | None,
        started: Callable[[Address], None],
    ) -> None:
        protocol = connection_class(limits, app.shed)
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # else a client on this machine could choose who it is
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, round(limits.drain_s)),
                backlog=2048,
            )
        )
        self._app, self._follow, self._started = app, follow, started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM, SIGINT and SIGHUP, unless that is ignored (nohup); go on at SIGUSR1 and SIGUSR2.

        uvicorn raises the first two again at the end, and what follows would never happen.
        """
        handlers = {**dict.fromkeys(STOPPING, self.handle_exit), **dict.fromkeys(IGNORED, _noted)}
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            del handlers[signal.SIGHUP]
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say where."""
        await super().startup(sockets)
        if sockets:
            host, port = sockets[0].getsockname()[:2]
            self._started(Address(host, port))
        if self._follow is not None:
            self._following = asyncio.ensure_future(self._follow())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what comes for a moment longer, without keeping connections; then let what is in work end."""
        self._app.is_draining = True
        log.info("draining", extra={"event": "drain"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(LAME_DUCK_S, self.config.timeout_graceful_shutdown or 0)):
                while self.server_state.connections:
                    await asyncio.sleep(0.02)
        for server in self.servers:
            server.close()
        with contextlib.suppress(TimeoutError):  # who came in the last moment has not asked yet
            async with asyncio.timeout(NEWCOMERS_S):
                while any(getattr(one, "cycle", None) is None for one in self.server_state.connections):
                    await asyncio.sleep(0.02)
        await super().shutdown(sockets)
        if self._follow is not None:
            self._following.cancel()


def _noted(number: int, _: object) -> None:
    log.warning("%s means nothing here, and was ignored", signal.Signals(number).name, extra={"event": "signal"})


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a bound socket, so that a port in use is found before anything is loaded.

    Raises:
        ServingError: If the address cannot be had.
    """
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(info[0], info[1]) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(info[4])
            yield bound
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise ServingError(f"Cannot listen on {host} port {port}: {why}; choose another with --port") from None
