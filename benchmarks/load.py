"""An HTTP load generator of one thread: prebuilt requests out, each reply compared with the true answer of its own.

Raw asyncio protocols; about 20 microseconds a request, which `ceiling` in benchmarks/serving.py measures. Two kinds of
load: a closed loop (each connection asks again as soon as it was answered) measures capacity; an open loop (requests
arrive as a Poisson process, whether or not earlier ones were answered) measures latency, from the moment at which a
request was due (Gil Tene's "coordinated omission").
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DIGEST = b"x-model-sha256: "


@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request, and its true replies.

    Attributes:
        wire: Head and body.
        replies: Digest of a model, as the reply's `x-model-sha256` names it -> true body. b"" for a server that names
            no model.
    """

    wire: bytes
    replies: Mapping[bytes, bytes]


@dataclass(slots=True)
class Tally:
    """What became of the requests.

    Attributes:
        shed: Refused with 429 or 503.
        failed: Any other status, a closed connection, a reply that cannot be read.
        wrong: Status 200 with a body that is not the true one of this request and the model it names.
        latencies_s: Of the right ones, in the order of the replies.
        digests: Model digest -> right replies that named it.
        kinds: What the failures were, for people.
    """

    right: int = 0
    wrong: int = 0
    shed: int = 0
    failed: int = 0
    wall_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    digests: dict[bytes, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def replies(self) -> int:
        """All that came back."""
        return self.right + self.wrong + self.shed + self.failed

    @property
    def rate(self) -> float:
        """Right replies a second."""
        return self.right / self.wall_s if self.wall_s else 0.0

    def percentile_ms(self, q: float) -> float:
        """Latency below which `q` percent of the right replies lie."""
        return float(np.percentile(self.latencies_s, q)) * 1e3 if self.latencies_s else float("nan")

    def fail(self, kind: str) -> None:
        """Count a failure."""
        self.failed += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def judge(self, request: Request, status: bytes, head: bytes, body: bytes) -> bool:
        """Count a reply, and return whether it is right."""
        if status != b"200":
            if status in {b"429", b"503"}:
                self.shed += 1
            else:
                self.fail(f"{status.decode('latin-1')} {body[:120]!r}")
            return False
        at = head.find(DIGEST)
        digest = b"" if at < 0 else head[at + len(DIGEST) : at + len(DIGEST) + 64]
        if request.replies.get(digest) != body:
            self.wrong += 1
            return False
        self.right += 1
        self.digests[digest] = self.digests.get(digest, 0) + 1
        return True


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, answered: Callable[[Connection, bytes, bytes, bytes], None]) -> None:
        self._answered = answered
        self._rest = b""
        self.transport: asyncio.Transport | None = None
        self.request: Request | None = None
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def ask(self, request: Request, due_s: float) -> None:
        """Send a request that was due at `due_s` on the clock of `time.perf_counter`."""
        assert self.transport is not None
        self.request, self.due_s = request, due_s
        self.transport.write(request.wire)

    def data_received(self, data: bytes) -> None:
        """Hand over a reply when it is whole. Its head is given in lower case."""
        data = self._rest + data if self._rest else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return
        head = data[:end].lower()
        at = head.find(b"content-length: ")
        length = int(head[at + 16 : head.find(b"\r", at) if head.find(b"\r", at) > 0 else end]) if at >= 0 else 0
        if len(data) < end + 4 + length:
            self._rest = data
            return
        self._rest = b""
        self._answered(self, head[9:12], head, data[end + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """A request that was under way has failed."""
        self.transport = None
        if self.request is not None:
            self._answered(self, b"closed", b"", b"")


class ClosedLoop:
    """Keeps a number of requests under way. A connection that the server closed is opened again."""

    def __init__(self, address: tuple[str, int], requests: Sequence[Request], tally: Tally | None = None) -> None:
        self.tally = tally or Tally()
        self._address, self._requests, self._turn = address, requests, 0
        self._done = asyncio.Event()
        self._opened: list[Connection] = []
        self._reopening: set[asyncio.Task[None]] = set()

    async def run(self, *, connections: int, seconds: float = float("inf"), replies: int = 0) -> Tally:
        """Ask for `seconds`, or until `replies` came back."""
        start_s = time.perf_counter()
        self._end_s, self._limit = start_s + seconds, replies or 2**62
        await asyncio.gather(*(self._open() for _ in range(connections)))
        self._spin()
        await self._done.wait()
        self.tally.wall_s = time.perf_counter() - start_s
        _close(self._opened)
        return self.tally

    def _spin(self) -> None:
        """Keep this core awake: waking it, in a virtual machine, costs the server's core tens of microseconds."""
        if not self._done.is_set():
            asyncio.get_running_loop().call_soon(self._spin)

    def stop(self) -> None:
        """End the run at the next reply."""
        self._end_s = 0.0

    async def _open(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self._answered), *self._address
            )
        except OSError as error:
            self.tally.fail(str(error))
            self._done.set()
            return
        self._opened.append(connection)
        self._ask(connection)

    def _ask(self, connection: Connection) -> None:
        self._turn += 1
        connection.ask(self._requests[self._turn % len(self._requests)], time.perf_counter())

    def _answered(self, connection: Connection, status: bytes, head: bytes, body: bytes) -> None:
        assert connection.request is not None
        now = time.perf_counter()
        if self.tally.judge(connection.request, status, head, body):
            self.tally.latencies_s.append(now - connection.due_s)
        connection.request = None
        if now >= self._end_s or self.tally.replies >= self._limit:
            self._done.set()
        elif connection.transport is None:
            task = asyncio.get_running_loop().create_task(self._open())
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)
        else:
            self._ask(connection)


class OpenLoop:
    """Sends requests when they are due, on whichever connection is free; those that find none wait in line."""

    def __init__(self, address: tuple[str, int], requests: Sequence[Request], arrivals_s: Floats) -> None:
        """Take the increasing moments `arrivals_s` (n,), in seconds from the start."""
        self.tally = Tally()
        self._address, self._requests, self._arrivals_s = address, requests, arrivals_s
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[Request, float]] = deque()
        self._done = asyncio.Event()
        self._sent = 0

    async def run(self, *, connections: int, patience_s: float = 5.0) -> Tally:
        """End when all were answered, or `patience_s` after the last arrival."""
        loop = asyncio.get_running_loop()
        pairs = await asyncio.gather(
            *(loop.create_connection(lambda: Connection(self._answered), *self._address) for _ in range(connections))
        )
        opened = [connection for _, connection in pairs]
        self._free.extend(opened)
        start_s = time.perf_counter() + 0.01
        self._due_s: list[float] = (self._arrivals_s + start_s).tolist()
        self._send_due()
        try:
            await asyncio.wait_for(self._done.wait(), float(self._arrivals_s[-1]) + patience_s)
        except TimeoutError:
            missing = len(self._arrivals_s) - self.tally.replies
            self.tally.failed += missing
            self.tally.kinds["no reply in time"] = missing
        self.tally.wall_s = time.perf_counter() - start_s
        _close(opened)
        return self.tally

    def _send_due(self) -> None:
        """Send what is due, then look again at once: timers of event loops are no finer than a millisecond."""
        now = time.perf_counter()
        while self._sent < len(self._due_s) and self._due_s[self._sent] <= now:
            request, due_s = self._requests[self._sent % len(self._requests)], self._due_s[self._sent]
            if self._free:
                self._free.popleft().ask(request, due_s)
            else:
                self._waiting.append((request, due_s))
            self._sent += 1
        if self._sent < len(self._due_s):
            asyncio.get_running_loop().call_soon(self._send_due)

    def _answered(self, connection: Connection, status: bytes, head: bytes, body: bytes) -> None:
        assert connection.request is not None
        if self.tally.judge(connection.request, status, head, body):
            self.tally.latencies_s.append(time.perf_counter() - connection.due_s)
        connection.request = None
        if connection.transport is not None:
            if self._waiting:
                connection.ask(*self._waiting.popleft())
            else:
                self._free.append(connection)
        if self.tally.replies >= len(self._due_s):
            self._done.set()


def poisson(rate: float, seconds: float, seed: int) -> Floats:
    """Return the moments, in seconds from 0, of a Poisson process of `rate` a second."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, max(1, round(rate * seconds)))
    return np.cumsum(gaps)


def _close(opened: Sequence[Connection]) -> None:
    for connection in opened:
        connection.request = None
        if connection.transport is not None:
            connection.transport.abort()
