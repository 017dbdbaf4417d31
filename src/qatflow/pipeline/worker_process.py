"""Runs stages in a process of their own that a timeout really ends. Decides nothing about what runs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from qatflow import artifacts, errors
from qatflow.identity import PACKAGE
from qatflow.progress import Progress, silent


class StageWorker:
    """One child process, started on first use and started again after it died or was killed.

    Use as a context manager: leaving it ends the child and everything the child started.
    """

    def __init__(self, root: Path, log: Path, *, preload: bool = True) -> None:
        """Prepare, without starting: `log` receives what libraries print; `preload` imports TensorFlow at once."""
        self._root = root
        self._log = log
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._code: list[frozenset[tuple[str, int, int]]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start the child if none is alive, so that its imports overlap with what the caller does next.

        One that began with other code than there is now is ended: DVC would record the new code for what the old does.
        """
        code = [artifacts.fingerprint(folder) for folder in (PACKAGE, self._root / "tasks")]
        if self._process is not None and self._process.poll() is None:
            if code == self._code:
                return self._process
            self.kill()
        self._code = code
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "qatflow.pipeline.worker", *(["--preload"] if self._preload else [])]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # so that a kill reaches the children of the child
            )
        self._buffer = b""
        return self._process

    def run(
        self, stage: str, timeout_s: float, progress: Progress = silent, env: Mapping[str, str] | None = None
    ) -> float:
        """Run a stage, as DVC names it: `prepare`, or `convert@ptq_w8a8`; return its own time in seconds.

        Raises:
            StageError: If the stage crashed, was killed or took longer than `timeout_s`; the child is then gone.
            QATFlowError: What the stage raised, of the same class.
        """
        process = self.start()
        name, _, variant = stage.partition("@")
        request = {"stage": name, "variant": variant, "env": dict(env or {})}
        try:
            _send(process, request)
            answer = self._await(process, timeout_s, progress)
        except BaseException:
            self.kill()
            raise
        if "error" in answer:
            kind: type[errors.QATFlowError] = getattr(errors, answer["error"], errors.QATFlowError)
            hint = f" Details: {self._log}" if kind is errors.StageError else ""
            raise kind(answer["message"] + hint)
        return float(answer["seconds"])

    def interrupt(self) -> None:
        """End the child while another thread waits for its answer, which gets a LostError."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the child and all it started, at once."""
        process = self._process
        if process is None:
            return
        self.interrupt()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                cast("IO[bytes]", stream).close()
        self._process = None

    def __enter__(self) -> StageWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _await(self, process: subprocess.Popen[bytes], timeout_s: float, progress: Progress) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._next(process, deadline)
            if answer is None:
                raise errors.StageError(f"took longer than its limit of {timeout_s:.0f} s and was ended")
            if "progress" not in answer:
                return answer
            progress(*answer["progress"])

    def _next(self, process: subprocess.Popen[bytes], deadline: float) -> dict[str, Any] | None:
        """Return the child's next answer, or None when the deadline passed."""
        stdout = cast("IO[bytes]", process.stdout)
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            part = os.read(stdout.fileno(), 65536)
            if not part:
                raise errors.LostError(f"its process ended without an answer ({_death(process)}). Log: {self._log}")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _send(process: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    stdin = cast("IO[bytes]", process.stdin)
    with suppress(BrokenPipeError):  # a child that is gone is noticed when its answer is awaited
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()


def _death(process: subprocess.Popen[bytes]) -> str:
    """Say how a child ended: the signal's name, or the exit code."""
    code = process.wait()
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
