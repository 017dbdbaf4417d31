"""Real worker processes, on loopback and each in a network of its own, end with the same weights as one alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qatflow.artifacts import stage_output
from qatflow.data.prepare import prepare_data
from qatflow.params.data import DataParams
from qatflow.training.distributed.cluster import Cluster, local_clusters

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[4]
WORKER = Path(__file__).with_name("worker.py")
TOLERANCE = 2e-5
"""Of weights after 10 steps of float training: sums of float32 in another order."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give 131 digits in each split: the last batch of an epoch has 3 samples, and its shares differ."""
    folder = tmp_path_factory.mktemp("digits") / "prepare"
    with stage_output(folder, "prepare") as out:
        prepare_data(DataParams(max_samples=131), "unit", 0, out)
    return folder


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train with one worker, whose batches are those that two share."""
    out = tmp_path_factory.mktemp("alone") / "0"
    assert end([launch(data, out, local_clusters(1)[0])]) == [("", 0)]
    return out


def launch(
    data: Path,
    out: Path,
    cluster: Cluster | None,
    *,
    inside: tuple[str, ...] = (),
    devices: bool = False,
) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    environment.pop("TF_CONFIG", None)
    if cluster is not None:
        environment["TF_CONFIG"] = cluster.to_json()
    distribution = "devices" if devices else "multi_worker"
    command = [*inside, sys.executable, str(WORKER), str(data), str(out), distribution]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def end(processes: list[subprocess.Popen[str]]) -> list[tuple[str, int]]:
    """Return each one's last message, if it failed, and exit code."""
    found = [
        (process.communicate(timeout=200)[1].strip().splitlines()[-1:], process.returncode) for process in processes
    ]
    return [(lines[0] if code and lines else "", code) for lines, code in found]


def weights(out: Path, kind: str) -> list[np.ndarray]:
    with np.load(f"{out}-{kind}.npz") as arrays:
        return [arrays[name] for name in arrays.files]


def check(first: Path, second: Path, alone: Path) -> None:
    """Both workers ended bit-equal, and as one alone does within the tolerance."""
    for kind in ("float", "qat"):
        assert all(map(np.array_equal, weights(first, kind), weights(second, kind)))
    assert (
        max(np.abs(a - b).max() for a, b in zip(weights(first, "float"), weights(alone, "float"), strict=True))
        < TOLERANCE
    )
    together, single = (json.loads(out.with_suffix(".json").read_text()) for out in (first, alone))
    for kind in ("float", "qat"):  # weights of 4 bits that round otherwise drift apart, their loss does not
        losses = [[row["val_loss"] for row in history[kind]] for history in (together, single)]
        np.testing.assert_allclose(losses[0], losses[1], rtol=2e-3)


def test_two_workers_end_with_the_weights_of_one(data: Path, alone: Path, tmp_path: Path) -> None:
    processes = [launch(data, tmp_path / str(cluster.index), cluster) for cluster in local_clusters(2)]

    assert end(processes) == [("", 0), ("", 0)]
    check(tmp_path / "0", tmp_path / "1", alone)


@pytest.mark.long
def test_two_devices_end_with_the_weights_of_one_worker(data: Path, alone: Path, tmp_path: Path) -> None:
    assert end([launch(data, tmp_path / "0", None, devices=True)]) == [("", 0)]
    check(tmp_path / "0", tmp_path / "0", alone)


@pytest.fixture
def networks() -> Iterator[tuple[str, str]]:
    """Make two network namespaces that reach each other as 10.93.7.1 and 10.93.7.2, and nothing else."""
    ip = shutil.which("ip")
    if ip is None or os.geteuid() != 0:
        pytest.skip("needs root and iproute2 to make network namespaces")
    names = [f"qatflow-{os.getpid()}-{index}" for index in (1, 2)]
    links = [f"qf{os.getpid() % 100_000}{end}" for end in "ab"]
    try:
        for name in names:
            run(ip, "netns", "add", name)
        run(ip, "link", "add", links[0], "type", "veth", "peer", "name", links[1])
        for index, (name, link) in enumerate(zip(names, links, strict=True), 1):
            run(ip, "link", "set", link, "netns", name)
            run(ip, "-n", name, "addr", "add", f"10.93.7.{index}/24", "dev", link)
            run(ip, "-n", name, "link", "set", link, "up")
            run(ip, "-n", name, "link", "set", "lo", "up")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run([ip, "netns", "del", name], check=False, capture_output=True)


def run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"network namespaces cannot be made here: {done.stderr.strip()}")


@pytest.mark.long
def test_workers_in_networks_of_their_own(data: Path, alone: Path, networks: tuple[str, str], tmp_path: Path) -> None:
    workers = ("10.93.7.1:2222", "10.93.7.2:2222")
    processes = [
        launch(data, tmp_path / str(index), Cluster(workers, index), inside=("ip", "netns", "exec", networks[index]))
        for index in (0, 1)
    ]

    assert end(processes) == [("", 0), ("", 0)]
    check(tmp_path / "0", tmp_path / "1", alone)
