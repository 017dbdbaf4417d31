"""One worker of a test: trains a float model, then a fake-quant one, and keeps what it ended with.

`python worker.py DATA OUT DISTRIBUTION`; with TF_CONFIG it is one of several.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qatflow.artifacts import write_json
from qatflow.backend import start, tf
from qatflow.data.prepared import open_prepared
from qatflow.errors import QATFlowError
from qatflow.models import ARCHITECTURES
from qatflow.params.distribution import DistributionParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import CorrectionParams, QatParams, QuantizeParams
from qatflow.quantization.base import Work
from qatflow.quantization.run import find_strategy
from qatflow.training.distributed import group
from qatflow.training.distributed.group import Group, joined
from qatflow.training.fit import fit

TRAINING = {"epochs": 2, "batch_size": 32, "learning_rate": 1e-3}
# Float training uses momentum: Adam's first steps have the size of the rate whatever the gradient, so that a gradient
# of 1e-9 which float32 rounds to the other sign moves a weight the other way.


def main(folder: Path, out: Path, distribution: str) -> None:
    """Join, train and keep the weights and the histories."""
    settings = DistributionParams(distribution="none" if distribution == "devices" else distribution, join_timeout_s=60)
    with on_two_devices() if distribution == "devices" else joined(settings, {}):
        data = open_prepared(folder)
        start(0)
        model = ARCHITECTURES["small_cnn"](data.input_shape, data.num_outputs, 0.25, data.task)
        history = fit(model, data, PretrainParams(**TRAINING, optimizer="momentum"), 0, "float")
        np.savez(f"{out}-float.npz", *model.get_weights())
        strategy = find_strategy("qat_w4a8")
        quantize = QuantizeParams(corrections=CorrectionParams(adaround=False), training=QatParams(**TRAINING))
        work = Work(data, quantize, 0, "qat")
        quantized, learned, _ = strategy.train(strategy.prepare(model, work), model, work)
        np.savez(f"{out}-qat.npz", *quantized.model.get_weights(), *quantized.grids.steps.values())
        write_json(out.with_suffix(".json"), {"float": history, "qat": learned})


@contextmanager
def on_two_devices() -> Iterator[None]:
    """Train mirrored on two virtual devices of this CPU, as `mirrored` does on two GPUs."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    group._present.append(Group(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])))
    yield


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except QATFlowError as error:
        sys.exit(f"Error: {error}")
