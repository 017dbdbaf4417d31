"""A real `qatflow serve` process for tests, and the plainest way to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

TOKEN = "a-token-that-opens-this-test-server"
QATFLOW = Path(sys.executable).with_name("qatflow")
START_S = 60.0
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Reply:
    """An HTTP reply; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


@dataclass
class Running:
    """A server that takes requests.

    Attributes:
        log: What it wrote to stderr and stdout so far goes there.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    home: Path
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request with the token, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {**bearer(), **(headers or {})})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read())
        finally:
            connection.close()

    def send(self, *parts: bytes, pause_s: float = 0.0, timeout_s: float = 10.0) -> bytes:
        """Send raw bytes on a connection of their own; return all that comes until it ends or a reply is whole."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
                    if pause_s:
                        time.sleep(pause_s)
                return received(connection)
            except ConnectionError:
                return b""

    def infer(self, x: np.ndarray, **further: Any) -> Reply:
        """Ask for samples (n, *input shape) with the Open Inference Protocol's JSON."""
        tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
        body = json.dumps({"inputs": [tensor], **further}).encode()
        return self.ask("POST", "/v2/models/digits/infer", body, {"Content-Type": "application/json"})

    def is_well(self) -> bool:
        """Say whether the process lives and is ready."""
        return self.process.poll() is None and self.ask("GET", "/v2/health/ready").status == 200

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the process, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(
    home: Path,
    bundle: Path,
    *options: str,
    prefix: Sequence[str] = (),
    monitoring: Mapping[str, Any] | None = None,
    **limits: Any,
) -> Iterator[Running]:
    """Serve a bundle or deploy root from the project folder `home`, on a free port.

    Args:
        home: Made if it is not there.
        bundle: What to serve.
        options: Further words of the command.
        prefix: Words before the command, such as `prlimit --as=...`.
        monitoring: Section `monitoring` of params.yaml.
        limits: Section `serving` of params.yaml.
    """
    home.mkdir(exist_ok=True, parents=True)
    (home / "dvc.yaml").touch()
    sections = {"serving": limits, **({"monitoring": dict(monitoring)} if monitoring else {})}
    (home / "params.yaml").write_text(yaml.safe_dump(sections))
    tokens = home / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    log = home / "log"
    command = [*prefix, str(QATFLOW), "serve", "--bundle", str(bundle), "--name", "digits", *options]
    command += [*([] if "--port" in options else ["--port", "0"]), "--token-file", str(tokens)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, stdout=output, stderr=output, env={**os.environ, "COLUMNS": "200"}
        )
    try:
        yield Running(process, _port(process, log), log, home)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the server says where it is."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        found = re.search(rb"http://127\.0\.0\.1:(\d+)/v2", log.read_bytes())
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-3000:]}")


def received(connection: socket.socket) -> bytes:
    """Return what comes until one reply is whole, or the connection ends."""
    data = b""
    while True:
        head, blank, body = data.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if blank and len(body) >= (int(length[1]) if length else 0):
            return data
        piece = connection.recv(1 << 16)
        if not piece:
            return data
        data += piece


def status_of(reply: bytes) -> int:
    """Return the status of a raw reply; 0 if the server closed the connection without one."""
    return int(reply[9:12]) if reply.startswith(b"HTTP/1.1 ") else 0


def request(method: str, path: str, body: bytes = b"", *headers: str, token: str = TOKEN) -> bytes:
    """Return a raw request with a content-length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers]
    lines += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def bearer() -> dict[str, str]:
    """Return the header that opens the server: a new dict each time, tritonclient writes into the one it gets."""
    return {"Authorization": f"Bearer {TOKEN}"}


def until(condition: Any, what: str, seconds: float = 30.0) -> None:
    """Wait until `condition()` holds, looking every 10 ms."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.01)
