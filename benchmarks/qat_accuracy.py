"""Accuracy of the flatbuffer, after equally many steps from the same float model: float, PTQ, the peers and ours.

`python -m benchmarks.qat_accuracy digits|resnet8|mobilenet [--data FOLDER] [--model FILE] [--seeds N] [--out FILE]`
prints a Markdown table. `digits` needs nothing else; the others need CIFAR-10 as an image folder, `resnet8` MLPerf
Tiny's pretrainedResnet.h5 too. AI Edge Quantizer is measured where it is installed (`pip install ai-edge-quantizer`).
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stock import SCHEMES, ai_edge, convert_stock, stock
from qatflow.artifacts import Array, digest, stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.models import ARCHITECTURES
from qatflow.models.files import load_model_file
from qatflow.params.data import DataParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.quantization.run import make
from qatflow.screen import hushed
from qatflow.tflite.convert import convert_float
from qatflow.tflite.inspect import inventory
from qatflow.tflite.runtime import Runner
from qatflow.training.fit import fit

OURS = ("ptq_w8a8", "ptq_w4a8", "qat_w8a8_per_channel", "qat_w4a8", "qat_mixed")
BASE_EPOCHS = {"digits": 30, "resnet8": 3, "mobilenet": 40}
EPOCHS = {"digits": 10, "resnet8": 1, "mobilenet": 2}
MAX_SAMPLES = {"digits": None, "resnet8": 20_000, "mobilenet": None}
"""Of each split; the test split is whole."""
Row = tuple[str, bytes, float | None]


def main() -> None:
    """Measure and print."""
    parser = arguments_parser(__doc__ or "")
    parser.add_argument("--only", nargs="*", choices=OURS, help="of ours; no peers then")
    arguments = parser.parse_args()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(arguments, Path(folder) / "data")
        base = base_model(arguments, data)
        rows: dict[str, list[tuple[float, int, int, float | None]]] = defaultdict(list)
        for seed in range(arguments.seeds):
            for name, flatbuffer, parity in _variants(arguments, base, data, seed):
                figures = accuracy_of(flatbuffer, data), len(flatbuffer), _weight_bytes(flatbuffer), parity
                rows[name].append(figures)
                print(f"  {arguments.case} seed {seed} {name}: {figures}", flush=True)
    print(f"\n{arguments.case}: {data.test.count} test samples, {arguments.seeds} seeds\n")
    print("| flatbuffer | accuracy % (each seed) | mean | bytes | weight bytes | agreement with fake-quant % |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, figures in rows.items():
        print(_line(name, figures))


def _line(name: str, figures: list[tuple[float, int, int, float | None]]) -> str:
    scores, sizes, weights, parities = zip(*figures, strict=True)
    each = ", ".join(f"{100 * score:.2f}" for score in scores)
    parity = "" if parities[0] is None else f"{100 * min(parities):.2f}"
    return f"| {name} | {each} | {100 * np.mean(scores):.2f} | {sizes[0]} | {weights[0]} | {parity} |"


def _variants(arguments: argparse.Namespace, base: keras.Model, data: PreparedData, seed: int) -> Iterator[Row]:
    """Yield each variant's name, flatbuffer, and agreement with its fake-quant model."""
    training = training_of(arguments.case)
    if not arguments.only:
        yield from _peers(base, data, training, seed)
    for name in arguments.only or OURS:
        start(seed)
        made = make(name, base, data, QuantizeParams(training=training), seed=seed)
        parity = _agreement(made.flatbuffer, made.model, data) if made.widths else None
        yield name, made.flatbuffer, parity


def _peers(base: keras.Model, data: PreparedData, training: QatParams, seed: int) -> Iterator[Row]:
    samples, _ = data.train.arrays(limit=300)
    yield "float, fine-tuned as long", convert_float(tuned(base, data, training, seed)), None
    yield "float, as it was", convert_float(base), None
    if (peer := ai_edge(base, samples)) is not None:
        yield "AI Edge Quantizer int8", peer, None
    for name in SCHEMES:
        start(seed)
        network = stock(name, base)
        fit(network, data, training, seed, name)
        flatbuffer = convert_stock(network, samples)
        yield name, flatbuffer, _agreement(flatbuffer, network, data)


def training_of(case: str) -> QatParams:
    """Return how every variant of a case is trained."""
    if case == "digits":
        return QatParams(epochs=EPOCHS[case])
    return QatParams(epochs=EPOCHS[case], batch_size=128, learning_rate=3e-4)


def tuned(base: keras.Model, data: PreparedData, training: QatParams, seed: int) -> keras.Model:
    """Return a copy of the float model that was trained on."""
    start(seed)
    copy = keras.models.clone_model(base)
    copy.set_weights(base.get_weights())
    fit(copy, data, training, seed, "float")
    return copy


def base_training(case: str) -> PretrainParams:
    """Return how the float model of a case is trained."""
    rate = 0.003 if case != "resnet8" else 0.001
    batch = 64 if case == "digits" else 128
    return PretrainParams(epochs=BASE_EPOCHS[case], batch_size=batch, learning_rate=rate)


def base_model(
    arguments: argparse.Namespace, data: PreparedData, training: PretrainParams | None = None
) -> keras.Model:
    """Return the float model that all start from; kept beside `--cache`, since it takes minutes."""
    start(0)
    case = arguments.case
    training = training or base_training(case)
    kept = f"{case}-{digest(training.model_dump(mode='json'))[:8]}.npz"
    cached = arguments.cache and arguments.cache / kept
    if case == "resnet8":
        model = load_model_file(arguments.model)
    else:
        name, width = ("small_cnn", 1.0) if case == "digits" else ("mobilenet_v1", 0.25)
        model = ARCHITECTURES[name](data.input_shape, data.num_outputs, width, data.task)
    if cached and cached.exists():
        with np.load(cached) as kept:
            model.set_weights([kept[key] for key in kept.files])
        return model
    fit(model, data, training, 0, "base")
    if cached:
        np.savez(cached, *model.get_weights())
    return model


def prepared_data(arguments: argparse.Namespace, folder: Path, limit: int | None = None) -> PreparedData:
    """Prepare the data of a case in a new folder."""
    digits = arguments.case == "digits"
    limit = limit or MAX_SAMPLES[arguments.case]
    images = DataParams(source="image_folder", path=str(arguments.data), max_samples=limit)
    source = DataParams() if digits else images
    normalization = "none" if arguments.case == "resnet8" else "auto"
    with stage_output(folder, "prepare") as out:
        prepare_data(source, normalization, 42, out)
    return open_prepared(folder)


def accuracy_of(flatbuffer: bytes, data: PreparedData) -> float:
    """Return a flatbuffer's accuracy on the test split."""
    runner = Runner(flatbuffer, threads=2)
    hits = [np.sum(runner.predict(x).argmax(axis=1) == y) for x, y in data.test.batches(1000)]
    return float(np.sum(hits) / data.test.count)


def _agreement(flatbuffer: bytes, model: Any, data: PreparedData) -> float:
    x: Array = data.test.arrays(limit=10_000)[0]
    outputs = model.predict(x, batch_size=256, verbose=0)
    return float(np.mean(outputs.argmax(axis=1) == Runner(flatbuffer, threads=2).predict(x).argmax(axis=1)))


def _weight_bytes(flatbuffer: bytes) -> int:
    held = inventory(flatbuffer)["weight_bytes"]
    return sum(held.get(kind, 0) for kind in ("FLOAT32", "INT8", "INT4"))


def arguments_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of what benchmarks of one case take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("case", choices=sorted(EPOCHS))
    parser.add_argument("--data", type=Path, help="CIFAR-10 as an image folder")
    parser.add_argument("--model", type=Path, help="pretrainedResnet.h5")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="folder that keeps the float models between runs")
    return parser


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
