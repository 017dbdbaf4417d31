"""Starts the server and its peers, each peer in an environment of its own, all on the core that they are given."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

PEERS = Path(__file__).parent / "peers"
PACKAGES: dict[str, list[str]] = json.loads((PEERS / "packages.json").read_text())
START_S = 120.0


@dataclass
class Server:
    """A running server and everything that it started."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self.port

    def cpu_s(self) -> float:
        """Processor time of its living processes so far, in seconds."""
        total = 0.0
        parent = psutil.Process(self.process.pid)
        for process in (parent, *parent.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def stop(self) -> None:
        """Ask all of its process group to end, then make it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def environment(name: str, cache: Path) -> Path:
    """Return the folder of a peer's virtual environment, made in `cache` if it is not there yet."""
    folder = cache / name
    done = folder / ".installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PACKAGES[name]], check=True)
        done.touch()
    return folder


def start(
    name: str, command: Sequence[str | Path], port: int, core: int, scratch: Path, env: Mapping[str, str] | None = None
) -> Server:
    """Start a command pinned to a core; it is ready when something listens at `port`.

    Raises:
        RuntimeError: If it ends, or does not listen within START_S.
    """
    log = scratch / f"{name.replace(' ', '-')}.log"
    pinned = [shutil.which("taskset") or "taskset", "-c", str(core), *map(str, command)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned, stdout=output, stderr=output, start_new_session=True, cwd=scratch, env={**os.environ, **(env or {})}
        )
    server = Server(name, port, process, log)
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        if _answers(port):
            return server
        time.sleep(0.1)
    server.stop()
    raise RuntimeError(f"{name} did not start:\n{log.read_text()[-2000:]}")


def start_peer(name: str, model: Path, cache: Path, core: int, scratch: Path) -> Server:
    """Start `mlflow`, `mlflow naive`, `bentoml`, `litserve` or `fastapi` with a bundle (mlflow: a pyfunc's folder)."""
    kind = name.split(maxsplit=1)[0]
    binaries, port = environment(kind, cache) / "bin", free_port()
    python = binaries / "python"
    commands: dict[str, list[str | Path]] = {
        "mlflow": [
            *(binaries / "mlflow", "models", "serve", "-m", model, "--env-manager", "local"),
            *("--workers", "1", "--port", str(port)),
        ],
        "bentoml": [binaries / "bentoml", "serve", "bentoml_service:Digits", "--host", "127.0.0.1", "-p", str(port)],
        "litserve": [python, PEERS / "litserve_app.py", model, str(port)],
        "fastapi": [
            *(python, "-m", "uvicorn", "fastapi_app:app", "--port", str(port)),
            *("--log-level", "warning", "--no-access-log"),
        ],
    }
    env = {
        "BUNDLE": str(model),
        "PYTHONPATH": os.pathsep.join((str(PEERS), str(scratch / "runtime"))),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_TRACKING_URI": f"sqlite:///{scratch / 'mlflow.db'}",
    }
    return start(name, commands[kind], port, core, scratch, env)


def start_ours(bundle: Path, core: int, scratch: Path, token: str, *options: str) -> Server:
    """Start `qatflow serve` as a user does: token, limits, validation, metrics; records unless `options` say not to."""
    port = free_port()
    home = scratch / f"qatflow-{port}"
    home.mkdir()
    tokens = home / "tokens"
    tokens.write_text(token + "\n")
    tokens.chmod(0o600)
    command: list[str | Path] = [
        Path(sys.executable).with_name("qatflow"),
        "serve",
        "--bundle",
        bundle,
        "--name",
        "digits",
    ]
    command += ["--port", str(port), "--token-file", tokens, *options]
    return start("qatflow", command, port, core, home)


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    """Return whether there is an HTTP server that answers anything below 500."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
