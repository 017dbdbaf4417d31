import json

import pytest

from qatflow.errors import ParamsError
from qatflow.training.distributed.cluster import Cluster, local_clusters, read_cluster

TWO = {"cluster": {"worker": ["10.0.0.1:2222", "[::1]:2223"]}, "task": {"type": "worker", "index": 1}}


def test_a_cluster_is_read_and_written_as_tensorflow_does():
    cluster = read_cluster({"TF_CONFIG": json.dumps(TWO)})

    assert cluster == Cluster(("10.0.0.1:2222", "[::1]:2223"), 1)
    assert json.loads(cluster.to_json()) == TWO
    assert [cluster.host_and_port(0), cluster.host_and_port(1)] == [("10.0.0.1", 2222), ("::1", 2223)]
    assert not cluster.is_chief


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": ""}, {"TF_CONFIG": "  "}])
def test_without_the_variable_there_is_no_cluster(environment):
    assert read_cluster(environment) is None


def changed(**changes):
    return json.dumps(TWO | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not right .* it is to be like"),
        ("[]", "is not right"),
        (changed(cluster={"worker": ["a:1"], "ps": ["b:1"]}), "names worker, ps"),
        (changed(task={"type": "chief", "index": 0}), "a task of type chief"),
        (changed(cluster={"worker": "a:1"}), "must be a list of host:port"),
        (changed(cluster={"worker": []}), "must be a list of host:port"),
        (changed(cluster={"worker": ["a:1", "b"]}), "worker 'b' is no host:port"),
        (changed(cluster={"worker": ["a:1", 7]}), "worker 7 is no host:port"),
        (changed(cluster={"worker": ["a:1", "b:70000"]}), "worker 'b:70000' is no host:port"),
        (changed(cluster={"worker": ["a:1", "a:1"]}), "names a worker twice: a:1, a:1"),
        (changed(task={"type": "worker", "index": 2}), "task.index is 2; with 2 workers it is 0 to 1"),
        (changed(task={"type": "worker", "index": True}), "task.index is True"),
        (changed(task={"type": "worker", "index": "0"}), "task.index is '0'"),
    ],
)
def test_a_malformed_variable_is_explained(text, message):
    with pytest.raises(ParamsError, match=message):
        read_cluster({"TF_CONFIG": text})


def test_local_workers_have_ports_of_their_own():
    clusters = local_clusters(3)

    assert [cluster.index for cluster in clusters] == [0, 1, 2]
    assert len(set(clusters[0].workers)) == 3
    assert all(cluster.workers == clusters[0].workers for cluster in clusters)
