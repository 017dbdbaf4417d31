"""A small HTTP proxy before a real server that lets chosen requests fail in the ways a network has."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
Fault = Callable[["Handler"], None]


class Proxy(ThreadingHTTPServer):
    """Passes requests on to `port`. From request `first` on (counted from 0), `fault` answers instead.

    Attributes:
        seen: Method and path of the requests since `arm`.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self._lock = port, Lock()
        self.heal()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def arm(self, fault: Fault, first: int) -> None:
        self.fault, self.first, self.seen = fault, first, []

    def heal(self) -> None:
        self.arm(hang_up, 10**9)

    def note(self, line: str) -> int:
        """Return the request's number."""
        with self._lock:
            self.seen.append(line)
            return len(self.seen) - 1


class Handler(BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.server.note(f"{self.command} {self.path}") >= self.server.first:
            self.server.fault(self)
        else:
            self._pass_on(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 (the standard library's names)

    def _pass_on(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        upstream.request(self.command, self.path, body, headers)
        reply = upstream.getresponse()
        content = reply.read()
        self.answer(reply.status, content, dict(reply.getheaders()))
        upstream.close()

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def hang_up(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()


def server_error(handler: Handler) -> None:
    """Answer 500 with a page."""
    handler.answer(500, b"<html>Internal Server Error</html>", {"content-type": "text/html"})


def other_page(handler: Handler) -> None:
    """Answer 200 with what is not MLflow's, as a captive portal does."""
    handler.answer(200, b"<html>Please log in</html>", {"content-type": "text/html"})


def cut_off(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send_response_only(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"half":')
    hang_up(handler)


def silent(handler: Handler) -> None:
    """Answer nothing for longer than the client waits."""
    time.sleep(3)
    hang_up(handler)


@contextmanager
def before(port: int) -> Iterator[Proxy]:
    """Give a running proxy before a server of this machine."""
    with Proxy(port) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
