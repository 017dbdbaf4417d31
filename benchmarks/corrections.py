"""What the corrections without training gain: accuracy of the flatbuffer and its agreement with the float model.

`python -m benchmarks.corrections` trains `small_cnn` and `ds_cnn` on the digits (a minute). With
`--data DIR --model FILE.h5` it takes a trained classifier of raw images, 0 to 255, and a folder train/CLASS, test/CLASS
(MLPerf Tiny's pretrainedResnet.h5 on CIFAR-10: a few minutes). Prints a Markdown table.

Weights are 8-bit per tensor, 8-bit per channel, or lie on the 4-bit grid per channel with the least squared error. The
latter are stored as int8 here, which moves them by at most 1/36 of a 4-bit step.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras, start, tf
from qatflow.evaluation.agreement import agreement
from qatflow.models import ARCHITECTURES
from qatflow.models.files import load_model_file
from qatflow.quantization.correction.adaround import adaround
from qatflow.quantization.correction.bias import correct_biases
from qatflow.quantization.correction.equalization import equalize
from qatflow.quantization.correction.graph import copied, has_plain_kernel, kernel_of, outputs_of
from qatflow.quantization.fold import KERNELS, fold
from qatflow.quantization.grid import mse_steps, on_grid
from qatflow.tflite.convert import convert_float, convert_full_integer
from qatflow.tflite.runtime import Runner

CALIBRATION, LEARNING = 200, 512
"""Samples for ranges and biases, and for AdaRound."""
SWITCHES = ((), ("equalize",), ("bias",), ("equalize", "bias"))
ROUNDED = (("adaround",), ("adaround", "bias"), ("equalize", "adaround"), ("equalize", "adaround", "bias"))


@dataclass(frozen=True, eq=False)
class Case:
    """A float classifier without batch normalization, and its data: (n, *shape) float32 and (n,) class ids."""

    name: str
    model: keras.Model
    train: Array
    test: Array
    labels: Array


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with train/CLASS and test/CLASS of images")
    parser.add_argument("--model", type=Path, help="trained .h5 or .keras model of these images, 0 to 255")
    args = parser.parse_args()
    print("| model | weights | corrections | accuracy % | agreement % | output MSE | correction s |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for case in [image_case(args.data, args.model)] if args.data else map(digits_case, ("small_cnn", "ds_cnn")):
        for row in rows(case):
            print(row, flush=True)


def rows(case: Case) -> Iterator[str]:
    """Yield the lines of the table."""
    reference = Runner(convert_float(case.model)).predict(case.test)
    yield f"| {case.name} | float32 | | {100 * np.mean(reference.argmax(1) == case.labels):.2f} | | | |"
    for weights, convert, bits in (
        ("w8 per-tensor", per_tensor, 8),
        ("w8", convert_full_integer, 8),
        ("w4", convert_full_integer, 4),
    ):
        for switches in SWITCHES + (ROUNDED if bits == 4 else ()):
            flatbuffer, seconds = corrected(case, convert, bits, switches)
            outputs = Runner(flatbuffer).predict(case.test)
            figures = (
                f"{100 * np.mean(outputs.argmax(1) == case.labels):.2f}",
                f"{100 * agreement('classification', reference, outputs):.2f}",
                f"{np.mean(np.square(outputs - reference)):.1e}",
                f"{seconds:.1f}",
            )
            yield f"| {case.name} | {weights} | {' + '.join(switches) or 'none'} | {' | '.join(figures)} |"


def corrected(
    case: Case, convert: Callable[[keras.Model, Array], bytes], bits: int, switches: tuple[str, ...]
) -> tuple[bytes, float]:
    """Return the flatbuffer and how long the corrections took, in seconds."""
    seconds, calibration = -time.monotonic(), case.train[:CALIBRATION]
    model = equalize(case.model) if "equalize" in switches else case.model
    ready = on_four_bits(model, case.train, learned="adaround" in switches) if bits == 4 else model
    seconds += time.monotonic()
    flatbuffer = convert(ready, calibration)
    if "bias" in switches:
        float_model, seconds = convert_float(model), seconds - time.monotonic()
        flatbuffer = correct_biases(flatbuffer, float_model, calibration)
        seconds += time.monotonic()
    return flatbuffer, seconds


def on_four_bits(model: keras.Model, train: Array, *, learned: bool) -> keras.Model:
    """Return the model with weights on the 4-bit grid, rounded to the nearest or by AdaRound."""
    plain = [layer for layer in model.layers if has_plain_kernel(layer)]
    columns = {layer.name: kernel_of(layer).numpy().reshape(-1, outputs_of(layer)) for layer in plain}
    steps = {name: mse_steps(values, 4) for name, values in columns.items()}
    if learned:
        return adaround(model, steps, 4, train[:LEARNING])
    rounded = copied(model)
    for name, values in columns.items():
        kernel, *rest = rounded.get_layer(name).get_weights()
        rounded.get_layer(name).set_weights([on_grid(values, steps[name], 4).reshape(kernel.shape), *rest])
    return rounded


def per_tensor(model: keras.Model, representative: Array) -> bytes:
    """Convert with one scale for all weights of a layer, which `convert_full_integer` does not offer."""
    converter: Any = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel = True  # noqa: SLF001
    return bytes(converter.convert())


def digits_case(name: str) -> Case:
    """Train an architecture on scikit-learn's digits."""
    from sklearn.datasets import load_digits

    start(0)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x.reshape(-1, 8, 8, 1) / 16).astype(np.float32)[order], y[order]
    model = ARCHITECTURES[name]((8, 8, 1), 10, 1.0, "classification")
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x[:1200], y[:1200], batch_size=64, epochs=15, verbose=0)
    return Case(f"{name}, digits", fold(model, tuple(KERNELS)), x[:1200], x[1200:], y[1200:])


def image_case(data: Path, model: Path) -> Case:
    """Load a trained model and images."""
    start(0)
    train, _ = images(data / "train", LEARNING)
    return Case(model.stem, fold(load_model_file(model), tuple(KERNELS)), train, *images(data / "test", None))


def images(folder: Path, limit: int | None) -> tuple[Array, Array]:
    """Return `limit` images in random order, (n, h, w, 3) float32 from 0 to 255, and their class ids."""
    from PIL import Image

    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [(path, number) for number, each in enumerate(classes) for path in sorted(each.iterdir())]
    chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))[:limit]]
    x = np.stack([np.asarray(Image.open(path).convert("RGB"), np.float32) for path, _ in chosen])
    return x, np.array([number for _, number in chosen])


if __name__ == "__main__":
    main()
