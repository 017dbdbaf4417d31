"""Workers meet before TensorFlow starts: all are there, and have the same code, parameters and data, or all give up.

TensorFlow itself waits without end for a worker that never comes, and trains on whatever each one has.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from qatflow.errors import StageError
from qatflow.training.distributed.cluster import Cluster

Identity = Mapping[str, str]
"""What must be equal -> its digest, such as "code" -> "3f2a…"."""
MAX_MESSAGE = 1 << 16
RETRY_S = 0.2
HELLO_S = 5.0
"""Seconds that one who connected has to say who it is; it may be no worker at all."""


def meet(cluster: Cluster, identity: Identity, timeout_s: float) -> None:
    """Return once all workers have met and agree. The chief listens on its own port, which it leaves free again.

    Args:
        cluster: Who is expected, and who this is.
        identity: What must be equal on all workers.
        timeout_s: Seconds to wait for the last one.

    Raises:
        StageError: If a port is taken, a worker did not come in time, or one differs; every worker that came is told
            the same reason.
    """
    _check_own_port(cluster)
    if len(cluster.workers) == 1:
        return
    deadline = time.monotonic() + timeout_s
    verdict = _host(cluster, identity, deadline) if cluster.is_chief else _join(cluster, identity, deadline)
    if verdict:
        raise StageError(verdict)


def _check_own_port(cluster: Cluster) -> None:
    host, port = cluster.host_and_port(cluster.index)
    try:
        _listener(host, port).close()
    except OSError as error:
        address = cluster.workers[cluster.index]
        raise StageError(
            f"worker {cluster.index} cannot listen on {address}: {error.strerror}; another program may have the port, "
            "or the address is not of this machine"
        ) from None


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def _host(cluster: Cluster, identity: Identity, deadline: float) -> str:
    """Wait for all, tell them the verdict and return it; empty if all is well."""
    with ExitStack() as stack:
        server = stack.enter_context(_listener(*cluster.host_and_port(0)))
        joined: dict[int, tuple[socket.socket, Identity]] = {}
        while len(joined) < len(cluster.workers) - 1 and (left := deadline - time.monotonic()) > 0:
            server.settimeout(left)
            try:
                connection, _ = server.accept()
            except TimeoutError:
                break
            stack.enter_context(connection)
            if (hello := _hello(connection, min(deadline, time.monotonic() + HELLO_S))) is not None and 0 < hello[
                0
            ] < len(cluster.workers):
                joined[hello[0]] = connection, hello[1]
        verdict = _verdict(cluster, identity, {index: theirs for index, (_, theirs) in joined.items()})
        for connection, _ in joined.values():
            _send(connection, verdict)
    return verdict


def _hello(connection: socket.socket, deadline: float) -> tuple[int, Identity] | None:
    """Return index and identity of a worker; None for whatever else knocks at the port."""
    try:
        index, identity = json.loads(_receive(connection, deadline))
        return int(index), {str(what): str(digest) for what, digest in identity.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _verdict(cluster: Cluster, identity: Identity, joined: Mapping[int, Identity]) -> str:
    missing = [index for index in range(1, len(cluster.workers)) if index not in joined]
    if missing:
        return (
            f"did not come in time: {_named(cluster, missing)}; is it started, with the same TF_CONFIG, and reachable?"
        )
    for what, digest in identity.items():
        others = [index for index, theirs in joined.items() if theirs.get(what) != digest]
        if others:
            return f"{what} differs from worker 0's on {_named(cluster, sorted(others))}; all need the same {what}"
    return ""


def _named(cluster: Cluster, indices: Iterable[int]) -> str:
    return ", ".join(f"worker {index} ({cluster.workers[index]})" for index in indices)


def _join(cluster: Cluster, identity: Identity, deadline: float) -> str:
    """Tell the chief who this is, and return its verdict."""
    reason: object = "it did not answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection(cluster.host_and_port(0), timeout=left) as connection:
                _send(connection, [cluster.index, dict(identity)])
                return str(json.loads(_receive(connection, deadline + 5 * RETRY_S)))
        except (OSError, ValueError) as error:  # not there yet, or TensorFlow of an earlier try has the port still
            reason = error
            time.sleep(min(RETRY_S, max(left, 0)))
    return f"worker 0 ({cluster.workers[0]}) did not come in time: {reason}"


def _send(connection: socket.socket, message: object) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """Return one line.

    Raises:
        OSError: If none came in time, or it is too long.
    """
    line = b""
    while not line.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        part = connection.recv(MAX_MESSAGE)
        line += part
        if not part or len(line) > MAX_MESSAGE:
            raise OSError("no whole message came")
    return line
