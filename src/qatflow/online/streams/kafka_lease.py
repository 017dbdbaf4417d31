"""The right to be the only reader of a partition: the only membership of a consumer group made for it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qatflow.errors import StreamError

POLL_S = 0.2
JOIN_S = 30.0


@contextmanager
def kafka_lease(where: str, topic: str, connection: Mapping[str, Any], group: str, lease_s: float) -> Iterator[None]:
    """Be the only member of a group. A member that gives no sign for `lease_s` is dropped by the broker.

    Two that join at the same moment may both be refused.

    Raises:
        StreamError: If there is another member; the text says which.
    """
    from confluent_kafka import Consumer
    from confluent_kafka.admin import AdminClient

    me = f"process {os.getpid()} on {socket.gethostname()}, {time.time_ns()}"
    admin = AdminClient(dict(connection))
    _refuse_others(where, admin, group, me)
    timeout_ms = max(6000, int(lease_s * 1000))
    settings = {"group.id": group, "client.id": me, "session.timeout.ms": timeout_ms, "heartbeat.interval.ms": 1000}
    consumer = Consumer(dict(connection) | settings | {"enable.auto.commit": False})
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(consumer, ended), name="qatflow-lease", daemon=True)
    try:
        joined = threading.Event()
        consumer.subscribe([topic], on_assign=lambda *_: joined.set())
        _join(where, consumer, joined)
        _refuse_others(where, admin, group, me)
        keeper.start()
        yield
    finally:
        ended.set()
        if keeper.is_alive():
            keeper.join()
        consumer.close()


def _join(where: str, consumer: Any, joined: threading.Event) -> None:
    deadline = time.monotonic() + JOIN_S
    while not joined.is_set():
        if time.monotonic() > deadline:
            raise StreamError(f"{where}: the broker did not let this reader join within {JOIN_S:g} s")
        consumer.poll(POLL_S)
    consumer.pause(consumer.assignment())  # it holds the lease; the records are read by another


def _keep(consumer: Any, ended: threading.Event) -> None:
    while not ended.wait(POLL_S):
        consumer.poll(0)


def _refuse_others(where: str, admin: Any, group: str, me: str) -> None:
    described = admin.describe_consumer_groups([group], request_timeout=JOIN_S)[group].result()
    others = [member.client_id for member in described.members if member.client_id != me]
    if others:
        raise StreamError(f"{where} is being read by another reader: {others[0].rpartition(',')[0]}")
