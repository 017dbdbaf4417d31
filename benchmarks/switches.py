"""What each switch of quantization-aware training gains: one changed at a time, against the defaults, in one run.

`python -m benchmarks.switches CASE [--data FOLDER] [--model FILE] [--cache FOLDER] [--seeds N] [--strategy S]` prints
a Markdown table for one of the cases of `benchmarks.qat_accuracy`. Accuracy moves by its standard error; the KL
divergence from the float model tells switches apart much better.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.qat_accuracy import arguments_parser, base_model, prepared_data, training_of
from qatflow.backend import keras, start
from qatflow.data.prepared import PreparedData
from qatflow.params.quantize import QuantizeParams
from qatflow.quantization.fidelity import kl_divergence
from qatflow.quantization.run import make
from qatflow.screen import hushed
from qatflow.tflite.runtime import Runner

SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "corrections.adaround: false (weights start at the nearest point)": {"corrections.adaround": False},
    "calibration: min_max": {"calibration": "min_max"},
    "calibration: percentile": {"calibration": "percentile"},
    "learn_ranges: false": {"training.learn_ranges": False},
    "grid_learning_rate: 1e-5 (steps hardly learned)": {"training.grid_learning_rate": 1e-5},
    "grid_learning_rate: 1e-2": {"training.grid_learning_rate": 1e-2},
    "distillation: 0": {"training.distillation": 0.0},
    "distillation: 1": {"training.distillation": 1.0},
    "batch_norm: freeze": {"training.batch_norm": "freeze"},
    "batch_norm: fold": {"training.batch_norm": "fold"},
    "reestimate_batches: 50": {"training.reestimate_batches": 50},
    "dampening: 0.001": {"training.dampening": 0.001},
    "freeze_oscillating: 0.02": {"training.freeze_oscillating": 0.02},
}


def main() -> None:
    """Measure and print."""
    parser = arguments_parser(__doc__ or "")
    parser.add_argument("--strategy", default="qat_w4a8")
    parser.add_argument("--max-samples", type=int, help="of each split but the test split")
    arguments = parser.parse_args()
    print(f"{arguments.case}, {arguments.strategy}, {arguments.seeds} seeds\n")
    print("| switch | accuracy % | KL from float, millinats |\n| --- | ---: | ---: |")
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(arguments, Path(folder) / "data", arguments.max_samples)
        base = base_model(arguments, data)
        for name, changes in SWITCHES.items():
            settings = _changed(QuantizeParams(training=training_of(arguments.case)), changes)
            figures = [_figures(arguments.strategy, base, data, settings, seed) for seed in range(arguments.seeds)]
            accuracy, divergence = np.mean(figures, axis=0)
            print(f"| {name} | {100 * accuracy:.2f} | {1000 * divergence:.1f} |", flush=True)


def _changed(settings: QuantizeParams, changes: Mapping[str, Any]) -> QuantizeParams:
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        inner = getattr(settings, section).model_copy(update={name: value}) if section else value
        settings = settings.model_copy(update={section or name: inner})
    return settings


def _figures(
    strategy: str, base: keras.Model, data: PreparedData, settings: QuantizeParams, seed: int
) -> tuple[float, float]:
    start(seed)
    runner = Runner(make(strategy, base, data, settings, seed=seed).flatbuffer, threads=2)
    x, y = data.test.arrays()
    outputs = runner.predict(x)
    divergence = kl_divergence(base.predict(x, batch_size=256, verbose=0), outputs)
    return float(np.mean(outputs.argmax(axis=1) == y)), divergence


if __name__ == "__main__":
    main()
