"""A small server with the API that the target http talks to. It really unpacks, tries and swaps; it can misbehave."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from qatflow.deploy.archive import unpack
from qatflow.deploy.local import current, deploy_local
from qatflow.errors import DeployError, QATFlowError
from qatflow.release.bundle import load_bundle

Fault = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    """Answers as `qatflow serve` does; `server.fault` may answer instead, and then returns True."""

    server: "Server"

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self.answer(lambda: (200, {"champion": {"sha256": self.server.live()}}))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append(body)
        self.answer(lambda: self.install(body))

    def answer(self, work: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        if self.server.fault(self):
            return
        if self.headers.get("authorization") != f"Bearer {self.server.token}":
            self.reply(401, {"error": "a token is needed"})
            return
        self.reply(*work())

    def install(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            with tempfile.TemporaryDirectory() as folder:
                receipt = deploy_local(unpack(body, Path(folder) / "bundle"), self.server.root)
        except QATFlowError as error:
            return 422, {"error": str(error)}
        return 200, {"model_sha256": receipt["model_sha256"], "model_version": "1"}

    def reply(self, status: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """See `serving`."""

    daemon_threads = True

    def __init__(self, root: Path, token: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root, self.token = root, token
        self.received: list[bytes] = []
        self.fault: Fault = lambda _: False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def live(self) -> str | None:
        try:
            return load_bundle(current(self.root)).sha256
        except DeployError:
            return None


@contextmanager
def serving(root: Path, token: str = "secret-token") -> Iterator[Server]:  # noqa: S107 (of a test)
    """Give a server over the deploy root `root`."""
    with Server(root, token) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def stalling(seconds: float) -> Fault:
    """Answer nothing for so long."""

    def stall(_: Handler) -> bool:
        time.sleep(seconds)
        return True

    return stall
