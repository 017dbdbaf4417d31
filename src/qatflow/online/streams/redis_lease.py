"""The right to be the only reader of a stream on Redis: a key that expires, renewed by a thread while it is held."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from qatflow.errors import StreamError
from qatflow.online.streams.redis_broker import RedisBroker
from qatflow.online.streams.redis_scripts import DROP_LEASE, TAKE_LEASE


class RedisLease:
    """One reader's lease.

    Args:
        broker: A connection of its own, for the thread.
        key: Where the lease is.
        token: Tells this reader from all others.
        lease_s: How long the lease lasts without being renewed.
    """

    def __init__(self, broker: RedisBroker, key: str, token: str, lease_s: float) -> None:
        self._broker, self._key, self._lease_s = broker, key, lease_s
        self._holder = f"process {os.getpid()} on {socket.gethostname()}, {token}".encode()
        self._until = 0.0
        self._trouble = ""
        self._ended = threading.Event()
        self._ended.set()
        self._mutex = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease.

        Raises:
            StreamError: If another reader holds it.
        """
        self._renew()
        if self._trouble:
            trouble, self._trouble = self._trouble, ""
            raise StreamError(trouble)
        self._ended.clear()
        thread = threading.Thread(target=self._keep, name="qatflow-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            self._until = 0.0
            with suppress(StreamError):  # it lapses by itself
                self._broker.call("EVAL", DROP_LEASE, 1, self._key, self._holder)

    @property
    def is_held(self) -> bool:
        """Whether this reader is between taking and giving back the lease."""
        return not self._ended.is_set()

    def check(self) -> None:
        """Raise StreamError unless the lease is held; one that may have lapsed meanwhile is renewed."""
        if not self._ended.is_set() and time.monotonic() >= self._until:
            self._renew()
        if self._trouble:
            raise StreamError(self._trouble)

    def _keep(self) -> None:
        while not self._ended.wait(self._lease_s / 3):
            with suppress(StreamError):  # the server is away; `check` waits for it
                self._renew()

    def _renew(self) -> None:
        with self._mutex:
            asked = time.monotonic()
            milliseconds = max(1, int(self._lease_s * 1000))
            holder = self._broker.call("EVAL", TAKE_LEASE, 1, self._key, self._holder, milliseconds)
            if holder == self._holder:
                self._until, self._trouble = asked + self._lease_s, ""
            else:
                name = holder.decode(errors="replace").rpartition(",")[0]
                self._trouble = f"{self._broker.name} is being read by another reader: {name}"
