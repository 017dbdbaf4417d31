"""A real Redis server for tests: one that is installed, or Debian's package unpacked into a cache, without root."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from qatflow.errors import StreamError
from qatflow.online.streams.redis_broker import RedisBroker

CACHE = Path(__file__).parents[2] / ".qatflow" / "tools" / "redis"
PACKAGES = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1")
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu")
UP_S = 30.0


class RedisServer:
    """A server on a port of its own, that keeps its data in a folder over restarts."""

    def __init__(self, program: Path, folder: Path, settings: tuple[str, ...]) -> None:
        self.port = _free_port()
        self.url = f"redis://127.0.0.1:{self.port}/"
        libraries = ":".join(str(CACHE / library) for library in LIBRARIES)
        self._environment = os.environ | {"LD_LIBRARY_PATH": libraries}
        self._command = [
            str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes",
            "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0", *settings,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(self._command, env=self._environment, stdout=subprocess.DEVNULL)
        broker = RedisBroker("the test's server", "127.0.0.1", self.port, UP_S)
        try:
            broker.call("INFO", "server")
        except StreamError:
            if self._process.poll() is not None:
                raise RuntimeError(f"redis-server ended with {self._process.returncode}") from None
            assert "password" in " ".join(self._command) or "requirepass" in " ".join(self._command)
        finally:
            broker.close()

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@contextmanager
def redis_server(*settings: str) -> Iterator[RedisServer]:
    """Run a server with an append-only file that is synced at each write; skips the test where none can be had."""
    program = _program()
    with TemporaryDirectory(prefix="qatflow-redis-") as folder:
        server = RedisServer(program, Path(folder), settings)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _program() -> Path:
    installed = shutil.which("redis-server")
    if installed:
        return Path(installed)
    CACHE.mkdir(parents=True, exist_ok=True)
    program = CACHE / "usr" / "bin" / "redis-server"
    with (CACHE / ".lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _fetch()
    return program


def _fetch() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip("no redis-server here, and no apt-get to fetch one")
    with TemporaryDirectory() as folder:
        if not _run(["apt-get", "download", *PACKAGES], folder) and os.getuid() == 0:
            _run(["apt-get", "-qq", "update"], folder)
            _run(["apt-get", "download", *PACKAGES], folder)
        packages = sorted(Path(folder).glob("*.deb"))
        if len(packages) < len(PACKAGES):
            pytest.skip("no redis-server here, and apt-get could not fetch one: offline?")
        unpacked = CACHE / "unpacked"
        for package in packages:
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
    shutil.rmtree(CACHE / "usr", ignore_errors=True)
    (unpacked / "usr").rename(CACHE / "usr")
    shutil.rmtree(unpacked)


def _run(command: list[str], folder: str) -> bool:
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120).returncode == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
