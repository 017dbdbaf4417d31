"""Workers that meet are processes of their own, on real ports."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qatflow.errors import StageError
from qatflow.training.distributed.cluster import Cluster, local_clusters
from qatflow.training.distributed.rendezvous import meet

SOURCE = Path(__file__).parents[4] / "src"
SAME = {"code": "c0de", "parameters": "9a7a", "data": "da7a"}
WORKER = f"""
import json, sys
sys.path.insert(0, {str(SOURCE)!r})
from qatflow.errors import StageError
from qatflow.training.distributed.cluster import read_cluster
from qatflow.training.distributed.rendezvous import meet
config, identity, timeout = sys.argv[1:]
try:
    meet(read_cluster({{"TF_CONFIG": config}}), json.loads(identity), float(timeout))
except StageError as error:
    sys.exit(str(error))
"""


def start(cluster, identity=None, timeout_s=20.0):
    arguments = [cluster.to_json(), json.dumps(identity or SAME), str(timeout_s)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stderr=subprocess.PIPE, text=True)


def ends(processes):
    """Return exit code and message of each process."""
    return [(process.communicate(timeout=30)[1].strip(), process.returncode) for process in processes]


def test_equal_workers_meet_whoever_comes_first():
    clusters = local_clusters(3)
    late = [start(cluster) for cluster in clusters[1:]]

    meet(clusters[0], SAME, 20)

    assert ends(late) == [("", 0), ("", 0)]
    for index in range(3):  # all ports are free again, for TensorFlow
        socket.create_server(clusters[0].host_and_port(index)).close()


@pytest.mark.parametrize("what", ["code", "parameters", "data"])
def test_a_worker_that_differs_is_named_to_all(what):
    clusters = local_clusters(3)
    others = [start(clusters[1]), start(clusters[2], SAME | {what: "other"})]
    expected = f"{what} differs from worker 0's on worker 2 ({clusters[0].workers[2]}); all need the same {what}"

    with pytest.raises(StageError) as caught:
        meet(clusters[0], SAME, 20)

    assert str(caught.value) == expected
    assert ends(others) == [(expected, 1), (expected, 1)]


@pytest.mark.slow
def test_a_worker_that_never_comes_ends_the_wait_of_all():
    clusters = local_clusters(3)
    present = start(clusters[1])
    started = time.monotonic()

    with pytest.raises(StageError, match=r"did not come in time: worker 2 \(127.0.0.1:\d+\); is it started"):
        meet(clusters[0], SAME, 3)

    assert time.monotonic() - started < 10
    ((message, code),) = ends([present])
    assert code == 1
    assert "did not come in time: worker 2" in message


def test_a_chief_that_never_comes_ends_the_wait():
    cluster = local_clusters(2)[1]

    with pytest.raises(StageError, match=r"worker 0 \(127.0.0.1:\d+\) did not come in time"):
        meet(cluster, SAME, 1)


@pytest.mark.parametrize("index", [0, 1])
def test_a_port_that_is_taken_is_named(index):
    cluster = local_clusters(2)[index]
    with socket.create_server(cluster.host_and_port(index)), pytest.raises(StageError) as caught:
        meet(cluster, SAME, 1)

    assert str(caught.value).startswith(f"worker {index} cannot listen on {cluster.workers[index]}: Address already in")


def test_an_address_of_another_machine_is_named():
    with pytest.raises(StageError, match=r"cannot listen on 203.0.113.1:2222: .* not of this machine"):
        meet(Cluster(("203.0.113.1:2222", "203.0.113.2:2222"), 0), SAME, 1)


def test_strangers_at_the_port_do_not_count():
    clusters = local_clusters(2)
    worker = start(clusters[0])
    for greeting in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"[0, {}]\n",
        b"[7, {}]\n",
        b"[1]\n",
        b'{"a": 1}\n',
        b"[" * 60_000 + b"\n",
        b"[" * 100_000,
    ):
        _knock(clusters[0], greeting)

    meet(clusters[1], SAME, 20)

    assert ends([worker]) == [("", 0)]


def _knock(cluster, greeting):
    """Say something to the chief, once it listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(cluster.host_and_port(0), timeout=1) as connection:
                connection.sendall(greeting)
                return
        except ConnectionRefusedError:
            time.sleep(0.05)


def test_one_worker_meets_nobody():
    meet(local_clusters(1)[0], SAME, 1)
