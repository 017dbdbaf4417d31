"""What the quantization-aware optimizer gains over each optimizer alone, and what schedules, clipping and averaging do.

`python -m benchmarks.optimizers gain|switches [--seeds N] [--only NAME ...]` prints a Markdown table for the digits:
accuracy of the flatbuffer, and its KL divergence from the float model, as means over the seeds. `gain` first finds each
optimizer's rate, out of three, by the divergence at 4 bits on the validation split when it trains alone (weights and
grids by the same kind at the same rate, seed 0); the quantization-aware optimizer then uses it too. Needs no data.

There has to be something to learn, and the divergence is to measure it: the network is `small_cnn` at a quarter of its
width, weights start at the nearest grid points and not with learned rounding, and the targets are the float model's
answers. (At full width the digits lose nothing at 4 bits, and training is judged no better than none.)
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.qat_accuracy import prepared_data
from qatflow.artifacts import Array
from qatflow.backend import keras, start
from qatflow.data.prepared import PreparedData, Split
from qatflow.models import ARCHITECTURES
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import CorrectionParams, QatParams, QuantizeParams
from qatflow.quantization.base import Work
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.fidelity import kl_divergence
from qatflow.quantization.run import find_strategy
from qatflow.screen import hushed
from qatflow.tflite.runtime import Runner
from qatflow.training.fit import fit
from qatflow.training.optimizers import OPTIMIZERS

EPOCHS, WIDTH = 5, 0.25
RATES: Mapping[str, tuple[float, ...]] = {
    "adam": (3e-4, 1e-3, 3e-3),
    "sgd": (0.01, 0.03, 0.1),
    "momentum": (1e-3, 3e-3, 1e-2),
    "lion": (3e-5, 1e-4, 3e-4),
    "rmsprop": (1e-4, 3e-4, 1e-3),
    "adamw": (3e-4, 1e-3, 3e-3),
    "nesterov": (1e-3, 3e-3, 1e-2),
    "adagrad": (0.003, 0.01, 0.03),
    "nadam": (3e-4, 1e-3, 3e-3),
    "adamax": (1e-3, 3e-3, 1e-2),
    "adadelta": (0.1, 0.3, 1.0),
}
SETTINGS = QuantizeParams(corrections=CorrectionParams(adaround=False))
STRATEGIES = ("qat_w8a8_per_channel", "qat_w4a8")
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "defaults (adam, cosine)": {},
    "schedule: constant": {"schedule": "constant"},
    "schedule: step": {"schedule": "step"},
    "schedule: exponential": {"schedule": "exponential"},
    "warmup: 0.1": {"warmup": 0.1},
    "clip_norm: 1": {"clip_norm": 1.0},
    "clip_norm: 0.1": {"clip_norm": 0.1},
    "averaging: 0.9": {"averaging": 0.9},
    "averaging: 0.98": {"averaging": 0.98},
    "averaging: 0.9, schedule: constant": {"averaging": 0.9, "schedule": "constant"},
    "freeze_oscillating: 0.02": {"freeze_oscillating": 0.02},
    "dampening: 0.001": {"dampening": 0.001},
}


@dataclass(frozen=True, eq=False)
class Case:
    """What all trainings of one strategy start from.

    Attributes:
        base: Float model, the teacher.
        prepared: Calibrated, untrained.
        first: The weights of `prepared`, which training changes.
    """

    strategy: str
    base: keras.Model
    data: PreparedData
    prepared: Deployable
    first: list[Array]

    def figures(self, training: QatParams, seeds: int, split: Split) -> tuple[float, float]:
        """Return accuracy in % and KL divergence in millinats of the flatbuffer on a split, means over the seeds."""
        x, y = split.arrays()
        wanted, found = self.base.predict(x, batch_size=256, verbose=0), []
        for seed in range(seeds):
            outputs = Runner(self._flatbuffer(training, seed), threads=2).predict(x)
            found.append((100 * np.mean(outputs.argmax(axis=1) == y), 1000 * kl_divergence(wanted, outputs)))
        accuracy, divergence = np.mean(found, axis=0)
        return float(accuracy), float(divergence)

    def _flatbuffer(self, training: QatParams, seed: int) -> bytes:
        start(seed)
        self.prepared.model.set_weights(self.first)
        work, strategy = Work(self.data, SETTINGS.model_copy(update={"training": training}), seed), self.strategy
        trained = find_strategy(strategy).train(self.prepared, self.base, work).quantized
        return find_strategy(strategy).convert(trained, work.calibration())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("gain", "switches"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(OPTIMIZERS), default=list(RATES))
    arguments = parser.parse_args()
    print(f"digits, small_cnn at {WIDTH}, {EPOCHS} epochs, {arguments.seeds} seeds")
    print("accuracy % / KL from float, millinats\n")
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(argparse.Namespace(case="digits", data=None), Path(folder) / "data")
        base = _base(data)
        cases = {name: _case(name, base, data) for name in STRATEGIES}
        _gain(cases, arguments) if arguments.table == "gain" else _switches(cases, arguments.seeds)


def _base(data: PreparedData) -> keras.Model:
    start(0)
    model = ARCHITECTURES["small_cnn"](data.input_shape, data.num_outputs, WIDTH, data.task)
    fit(model, data, PretrainParams(learning_rate=0.003), 0, "base")
    return model


def _case(strategy: str, base: keras.Model, data: PreparedData) -> Case:
    start(0)
    prepared = find_strategy(strategy).prepare(base, Work(data, SETTINGS, 0))
    return Case(strategy, base, data, prepared, prepared.model.get_weights())


def _gain(cases: Mapping[str, Case], arguments: argparse.Namespace) -> None:
    print("| optimizer | rate | W8A8 alone | aware | W4A8 alone | aware | aware, freezing |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    untrained = [case.figures(_training("sgd", 1e-9, "alone"), 1, case.data.test) for case in cases.values()]
    print(f"| untrained | | {_text(untrained[0])} | | {_text(untrained[1])} | | |", flush=True)
    for name in arguments.only:
        alone = _at_best_rate(cases["qat_w4a8"], name)
        aware = _training(name, alone.learning_rate, "aware")
        wanted = [(strategy, training) for strategy in STRATEGIES for training in (alone, aware)]
        wanted.append(("qat_w4a8", aware.model_copy(update={"freeze_oscillating": 0.02})))
        found = [_text(cases[which].figures(how, arguments.seeds, cases[which].data.test)) for which, how in wanted]
        print(f"| {name} | {alone.learning_rate:g} | {' | '.join(found)} |", flush=True)


def _at_best_rate(case: Case, optimizer: str) -> QatParams:
    """Return the training by the optimizer alone with the rate of the lowest divergence on the validation split."""
    candidates = [_training(optimizer, rate, "alone") for rate in RATES[optimizer]]
    return min(candidates, key=lambda training: case.figures(training, 1, case.data.val)[1])


def _training(optimizer: str, rate: float, kind: str) -> QatParams:
    """Return a training by the wrapped optimizer, or by one alone: the same kind and rate for weights and grids."""
    alone = {"grid_optimizer": optimizer, "grid_learning_rate": rate} if kind == "alone" else {}
    return QatParams(epochs=EPOCHS, distillation=1.0, optimizer=optimizer, learning_rate=rate, **alone)


def _switches(cases: Mapping[str, Case], seeds: int) -> None:
    case = cases["qat_w4a8"]
    print("| switch | W4A8 |\n| --- | --- |")
    for name, changes in SWITCHES.items():
        training = QatParams(epochs=EPOCHS, distillation=1.0, **changes)
        print(f"| {name} | {_text(case.figures(training, seeds, case.data.test))} |", flush=True)


def _text(figures: tuple[float, float]) -> str:
    return f"{figures[0]:.2f} / {figures[1]:.2f}"


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
