"""The measurements of the serving benchmark: capacity, tail at half load, during swaps, overload, wrong answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from benchmarks.load import ClosedLoop, OpenLoop, Request, Tally, poisson
from benchmarks.serving_servers import Server

T = TypeVar("T")
CONNECTIONS = {1: 16, 32: 8}
OPEN_CONNECTIONS = 64
SWAP_S = 1.0
SWAPPER = """
import sys, time
from pathlib import Path
from qatflow.deploy.local import point_to
root, interval_s, *digests = sys.argv[1:]
turn = 0
print("ready", flush=True)
while True:
    time.sleep(float(interval_s))
    turn += 1
    point_to(Path(root), digests[turn % len(digests)])
"""


@dataclass(frozen=True)
class Capacity:
    """One closed loop.

    Attributes:
        cpu_us: Processor time of the server's processes for one reply, in microseconds.
    """

    rate: float
    wrong: int
    failed: int
    p50_ms: float
    p99_ms: float
    cpu_us: float


def on_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def capacity(server: Server, requests: Sequence[Request], samples: int, seconds: float) -> Capacity:
    """Measure what the server does when it always has work; `samples` are in each request."""
    on_loop(ClosedLoop(server.address, requests).run(connections=CONNECTIONS[samples], seconds=min(0.5, seconds)))
    before_s = server.cpu_s()
    tally = on_loop(ClosedLoop(server.address, requests).run(connections=CONNECTIONS[samples], seconds=seconds))
    cpu_us = (server.cpu_s() - before_s) / max(tally.replies, 1) * 1e6
    return Capacity(tally.rate, tally.wrong, tally.failed, tally.percentile_ms(50), tally.percentile_ms(99), cpu_us)


def poisson_load(
    server: Server,
    requests: Sequence[Request],
    rate: float,
    seconds: float,
    *,
    seed: int = 0,
    connections: int = OPEN_CONNECTIONS,
) -> Tally:
    """Send requests as a Poisson process of `rate` a second."""
    loop = OpenLoop(server.address, requests, poisson(rate, seconds, seed))
    return on_loop(loop.run(connections=connections))


class Swapping:
    """A process of its own, on the client's core, that deploys one of several models anew each `interval_s`."""

    def __init__(self, root: Path, digests: Sequence[str], core: int, interval_s: float = SWAP_S) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SWAPPER, str(root), str(interval_s), *digests], stdout=subprocess.PIPE
        )
        os.sched_setaffinity(self._process.pid, {core})

    def __enter__(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def settle(servers: Sequence[Server]) -> None:
    """Wait until no server works any more: one that still writes records would take the next one's core."""

    def busy_s() -> float:
        before_s = sum(server.cpu_s() for server in servers)
        time.sleep(0.2)
        return sum(server.cpu_s() for server in servers) - before_s

    wait_for(lambda: busy_s() < 0.02, "rest of all servers")


def wrong_answers(server: Server, requests: Sequence[Request], replies: int) -> Tally:
    """Ask with 8 connections at once until so many replies came, and count what is wrong."""
    return on_loop(ClosedLoop(server.address, requests).run(connections=8, replies=replies))


def wait_for(condition: Any, what: str, seconds: float = 60.0) -> None:
    """Wait until `condition()` holds.

    Raises:
        TimeoutError: If it does not within `seconds`.
    """
    end_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.01)
