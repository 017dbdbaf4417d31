"""Training speed: samples per second of float, stock tfmot and our quantization-aware training, in turns.

`python -m benchmarks.qat_speed [--rounds N] [--steps N] [--batch N]` trains the same model on the same batches by each
in turn, and prints the median over the rounds of each round's ratio to float: by wall time, and by CPU time, which
other work on the machine disturbs less. Needs no data.
"""

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.stock import stock
from qatflow.backend import keras, start, tf
from qatflow.models import ARCHITECTURES
from qatflow.models.kernels import quantizable
from qatflow.quantization.calibration import ranges
from qatflow.quantization.canonical import canonical
from qatflow.quantization.fake_quant import Grids, Learn, build, initial_steps, own_outputs
from qatflow.quantization.plan import Plan, plan_outputs
from qatflow.screen import hushed
from qatflow.training.quantization_aware import QuantizationAware

MODELS = {"resnet8": 1.0, "mobilenet_v1": 0.25}
SHAPE, CLASSES = (32, 32, 3), 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    arguments = parser.parse_args()
    print("| model | training | samples/s | of float | lowest, highest | of float, by CPU seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, width in MODELS.items():
        start(0)
        x = np.random.default_rng(0).random((arguments.batch * arguments.steps, *SHAPE), np.float32)
        y = np.eye(CLASSES, dtype=np.float32)[np.arange(len(x)) % CLASSES]
        networks = _networks(ARCHITECTURES[name](SHAPE, CLASSES, width, "classification"), x[:128])
        _print(name, _rates(networks, tf.data.Dataset.from_tensor_slices((x, y)).batch(arguments.batch), arguments))


def _networks(model: keras.Model, samples: np.ndarray) -> dict[str, keras.Model]:
    return {
        "float": keras.models.clone_model(model),
        "stock tfmot 8-bit": stock("stock tfmot 8-bit", model),
        "ours, W8A8": _ours(model, samples, 8, folded=False),
        "ours, W4A8": _ours(model, samples, 4, folded=False),
        "ours, W4A8, batch_norm: fold": _ours(model, samples, 4, folded=True),
    }


def _ours(model: keras.Model, samples: np.ndarray, bits: int, *, folded: bool) -> keras.Model:
    flat = canonical(model, folded=folded)
    plan = Plan({layer.name: bits for layer in quantizable(flat)}, plan_outputs(flat))
    steps = {
        layer.name: initial_steps(layer, bits, per_channel=not isinstance(layer, keras.layers.Dense))
        for layer in quantizable(flat)
    }
    grids = Grids(steps, ranges(flat, own_outputs(plan), samples, "min_max"))
    return build(flat, plan, grids, Learn(steps=True, ranges=False))


def _rates(networks: Mapping[str, keras.Model], batches: Any, arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return samples per second of wall and of CPU time of each network in each round, (rounds, 2)."""
    for name, network in networks.items():
        adam = keras.optimizers.Adam(1e-4)
        optimizer = QuantizationAware(adam, keras.optimizers.Adam(1e-4)) if name.startswith("ours") else adam
        network.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        network.fit(batches, verbose=0)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for _ in range(arguments.rounds):
        for name, network in networks.items():
            wall, cpu = time.perf_counter(), time.process_time()
            network.fit(batches, verbose=0)
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: arguments.batch * arguments.steps / np.array(times) for name, times in seconds.items()}


def _print(model: str, rates: Mapping[str, np.ndarray]) -> None:
    for name, rate in rates.items():
        ratio = rate / rates["float"]
        (wall, cpu), (low, high) = np.median(ratio, axis=0), (ratio[:, 0].min(), ratio[:, 0].max())
        rate_s = np.median(rate[:, 0])
        print(f"| {model} | {name} | {rate_s:.0f} | {wall:.2f} | {low:.2f}, {high:.2f} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    with hushed():
        main()
