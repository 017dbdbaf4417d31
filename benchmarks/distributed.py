"""Throughput of one worker and of more: samples per second of the same training, the workers as processes on loopback.

`python -m benchmarks.distributed [--workers N …] [--epochs N]` trains `resnet8` on random images by each number of
workers and prints a Markdown table. On one machine the workers share its cores: the figure is what dividing costs, not
what more machines gain.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from qatflow.training.distributed.cluster import TF_CONFIG, local_clusters

SAMPLES, SHAPE, CLASSES = 3000, (32, 32, 3), 10
SEED = 0


def main() -> None:
    """Measure and print; with TF_CONFIG, be one worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--data", type=Path, help="of a worker: the prepared images")
    arguments = parser.parse_args()
    if arguments.data:
        _work(arguments)
        return
    print("| workers | samples/s | of one |\n| ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder))
        rates = {count: _rate(count, Path(folder) / "data", arguments) for count in arguments.workers}
    for count, rate in rates.items():
        print(f"| {count} | {rate:.0f} | {rate / rates[arguments.workers[0]]:.2f} |")


def _prepare(folder: Path) -> None:
    from qatflow.artifacts import stage_output
    from qatflow.data.prepare import prepare_data
    from qatflow.params.data import DataParams

    rng = np.random.default_rng(SEED)
    x, y = rng.integers(0, 256, (SAMPLES, *SHAPE)).astype(np.uint8), rng.integers(0, CLASSES, SAMPLES)
    np.savez(folder / "images.npz", x=x, y=y)
    with stage_output(folder / "data", "prepare") as out:
        prepare_data(DataParams(source="arrays", path=str(folder / "images.npz")), "unit", SEED, out)


def _rate(count: int, data: Path, arguments: argparse.Namespace) -> float:
    """Return the samples per second that the chief saw, after an epoch to warm up."""
    command = [sys.executable, "-m", "benchmarks.distributed", "--data", str(data), "--epochs", str(arguments.epochs)]
    workers = [
        subprocess.Popen(
            [*command, "--batch", str(arguments.batch)],
            env=os.environ | {TF_CONFIG: cluster.to_json()},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for cluster in local_clusters(count)
    ]
    outputs = [worker.communicate()[0] for worker in workers]
    return float(json.loads(outputs[0].splitlines()[-1])["samples_per_s"])


def _work(arguments: argparse.Namespace) -> None:
    from qatflow.backend import start
    from qatflow.data.prepared import open_prepared
    from qatflow.models import ARCHITECTURES
    from qatflow.params.distribution import DistributionParams
    from qatflow.params.pretrain import PretrainParams
    from qatflow.training.distributed.group import joined
    from qatflow.training.fit import fit

    with joined(DistributionParams(distribution="multi_worker"), {}):
        data = open_prepared(arguments.data)
        start(SEED)
        model = ARCHITECTURES["resnet8"](SHAPE, CLASSES, 1.0, "classification")
        ends: dict[str, float] = {}
        training = PretrainParams(epochs=arguments.epochs, batch_size=arguments.batch)
        fit(model, data, training, SEED, "training", lambda label, *_: ends.update({label: time.monotonic()}))
        first, *_, last = ends.values()
        print(json.dumps({"samples_per_s": (arguments.epochs - 1) * data.train.count / (last - first)}))


if __name__ == "__main__":
    main()
