"""What the corrections without training gain: accuracy of the flatbuffer and its agreement with the float model.

`python -m benchmarks.corrections` trains `small_cnn` and `ds_cnn` on the digits, three times each. With
`--data DIR --model FILE.h5` it takes a trained classifier of raw images, 0 to 255, and a folder train/CLASS, test/CLASS
(MLPerf Tiny's pretrainedResnet.h5 on CIFAR-10: some minutes). Prints a Markdown table.

`ptq_w8a8` and `ptq_w4a8` are the strategies, the latter with true INT4 weights; `w8a8 per-tensor` has one step for all
weights of a layer. Corrections are switched by `quantize.corrections`, everything else is as in params.yaml.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qatflow.artifacts import Array, stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.evaluation.agreement import agreement
from qatflow.models import ARCHITECTURES
from qatflow.models.files import load_model_file
from qatflow.params.data import DataParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import CorrectionParams, QuantizeParams
from qatflow.quantization import INT8, STRATEGIES, W8
from qatflow.quantization.base import Strategy, Work
from qatflow.quantization.fake_quantized import FakeQuantized
from qatflow.screen import hushed
from qatflow.tflite.convert import convert_float
from qatflow.tflite.runtime import Runner
from qatflow.training.fit import fit

SEEDS = 3
TEST_SAMPLES = 10_000
SWITCHES = ((), ("equalize",), ("bias",), ("equalize", "bias"))
ROUNDED = tuple((*switches, "adaround") for switches in SWITCHES)
MEASURED: Mapping[str, tuple[Strategy, Sequence[tuple[str, ...]]]] = {
    "w8a8 per-tensor": (FakeQuantized(W8, INT8, per_channel=False, trained=False), SWITCHES),
    "ptq_w8a8": (STRATEGIES["ptq_w8a8"], SWITCHES),
    "ptq_w4a8": (STRATEGIES["ptq_w4a8"], SWITCHES + ROUNDED),
}
HEAD = """| model | strategy | corrections | accuracy % | agreement with float % | output MSE | bytes | made in s |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"""


class Figures(NamedTuple):
    """What is measured of one flatbuffer on the test split; accuracy and agreement in percent, time in seconds."""

    accuracy: float
    agreement: float
    mse: float
    size: float
    seconds: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with train/CLASS and test/CLASS of images")
    parser.add_argument("--model", type=Path, help="trained .h5 or .keras model of these images, 0 to 255")
    parser.add_argument("--samples", type=int, default=TEST_SAMPLES, help="at most so many samples of each split")
    args = parser.parse_args()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        source = DataParams(source="image_folder", path=str(args.data), max_samples=args.samples)
        data = prepared(source if args.data else DataParams(), Path(folder) / "data", raw=bool(args.data))
        print(HEAD, flush=True)
        for name in [args.model.stem] if args.data else ["small_cnn", "ds_cnn"]:
            models = [load_model_file(args.model)] if args.data else [on_digits(name, data, i) for i in range(SEEDS)]
            for row in rows(name, models, data):
                print(row, flush=True)


def rows(name: str, models: Sequence[keras.Model], data: PreparedData) -> Iterator[str]:
    """Yield the lines of one architecture, each the mean over its trained models."""
    x, y = data.test.arrays(TEST_SAMPLES)
    references = [Runner(convert_float(model), threads=2).predict(x) for model in models]
    accuracy = np.mean([np.mean(reference.argmax(1) == y) for reference in references])
    yield f"| {name} | float32 | | {100 * accuracy:.2f} | | | | |"
    for strategy_name, (strategy, choices) in MEASURED.items():
        for switches in choices:
            each = [
                figures(strategy, switches, model, data, reference)
                for model, reference in zip(models, references, strict=True)
            ]
            yield f"| {name} | {strategy_name} | {' + '.join(switches) or 'none'} | {_cells(each)} |"


def _cells(each: Sequence[Figures]) -> str:
    mean = Figures(*np.mean(each, axis=0))
    return f"{mean.accuracy:.2f} | {mean.agreement:.2f} | {mean.mse:.1e} | {mean.size:.0f} | {mean.seconds:.1f}"


def figures(
    strategy: Strategy, switches: tuple[str, ...], model: keras.Model, data: PreparedData, reference: Array
) -> Figures:
    """Quantize with these corrections and measure against the float model's outputs (n, k) on the test split."""
    x, y = data.test.arrays(TEST_SAMPLES)
    wanted = CorrectionParams(**{name: name in switches for name in CorrectionParams.model_fields})
    work = Work(data, QuantizeParams(corrections=wanted), seed=0)
    began = time.monotonic()
    flatbuffer = strategy.convert(strategy.prepare(model, work), work.calibration())
    seconds = time.monotonic() - began
    outputs = Runner(flatbuffer, threads=2).predict(x)
    return Figures(
        accuracy=float(100 * np.mean(outputs.argmax(1) == y)),
        agreement=100 * agreement("classification", reference, outputs),
        mse=float(np.mean(np.square(outputs - reference))),
        size=len(flatbuffer),
        seconds=seconds,
    )


def prepared(source: DataParams, folder: Path, *, raw: bool) -> PreparedData:
    """Prepare the data; raw ones go into the model as they are."""
    with stage_output(folder, "prepare") as out:
        prepare_data(source, "none" if raw else "auto", 42, out)
    return open_prepared(folder)


def on_digits(name: str, data: PreparedData, seed: int) -> keras.Model:
    """Train an architecture on scikit-learn's digits."""
    start(seed)
    model = ARCHITECTURES[name](data.input_shape, data.num_outputs, 1.0, data.task)
    fit(model, data, PretrainParams(epochs=15, learning_rate=0.003), seed, name)
    return model


if __name__ == "__main__":
    main()
