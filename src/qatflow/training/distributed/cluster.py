"""Who trains together: `TF_CONFIG` as TensorFlow defines it, read strictly, and clusters of local processes."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from qatflow.errors import ParamsError

TF_CONFIG = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Cluster:
    """The workers of one training, each `host:port`, and which of them this process is."""

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes what comes out."""
        return self.index == 0

    def host_and_port(self, index: int) -> tuple[str, int]:
        """Return a worker's host, without the brackets of IPv6, and its port."""
        host, _, port = self.workers[index].rpartition(":")
        return host.strip("[]"), int(port)

    def to_json(self) -> str:
        """Return `TF_CONFIG`."""
        return json.dumps({"cluster": {"worker": list(self.workers)}, "task": {"type": "worker", "index": self.index}})


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Return the cluster of `TF_CONFIG`; None if it is not set.

    Raises:
        ParamsError: If it is no JSON, names other tasks than workers, a malformed or doubled address, or an index that
            is not there.
    """
    text = environment.get(TF_CONFIG, "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        workers, kind, index = jobs["worker"], task["type"], task["index"]
    except (ValueError, KeyError, TypeError) as error:
        raise ParamsError(f"TF_CONFIG is not right ({error!r:.100}); it is to be like {EXAMPLE}") from None
    _check(jobs, workers, kind, index)
    return Cluster(tuple(workers), index)


def _check(jobs: Mapping[str, object], workers: object, kind: object, index: object) -> None:
    if set(jobs) != {"worker"} or kind != "worker":
        raise ParamsError(f"TF_CONFIG names {', '.join(jobs)} and a task of type {kind}; only workers train here")
    if not isinstance(workers, list) or not workers:
        raise ParamsError(f"TF_CONFIG: cluster.worker must be a list of host:port, as in {EXAMPLE}")
    for address in workers:
        found = ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if found is None or not 0 < int(found["port"]) < 2**16:
            raise ParamsError(f"TF_CONFIG: worker {address!r} is no host:port")
    if len(set(workers)) < len(workers):
        raise ParamsError(f"TF_CONFIG names a worker twice: {', '.join(workers)}")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(workers):
        raise ParamsError(
            f"TF_CONFIG: task.index is {index!r}; with {len(workers)} workers it is 0 to {len(workers) - 1}"
        )


def local_clusters(count: int, host: str = "127.0.0.1") -> list[Cluster]:
    """Return the views of `count` workers on this machine, on ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((host, 0))
        workers = tuple(f"{host}:{one.getsockname()[1]}" for one in sockets)
    finally:
        for one in sockets:
            one.close()
    return [Cluster(workers, index) for index in range(count)]
