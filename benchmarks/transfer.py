"""Transfer against training from scratch, on the int8 flatbuffer: ResNet-8 from six classes of CIFAR-10 to the others.

`python -m benchmarks.transfer --data FOLDER [--seeds N] [--cache FOLDER]` pretrains `resnet8` on the six animals of
CIFAR-10 (an image folder train/CLASS, test/CLASS), then learns the four vehicles from 1 %, 10 % and 100 % of their
training images, by transfer and from scratch, with equally many epochs, each followed by the same quantization-aware
training (`qat_w8a8_per_channel`). Prints accuracy on all 4,000 test images as a Markdown table.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.qat_accuracy import accuracy_of
from qatflow.artifacts import stage_output
from qatflow.backend import keras, start
from qatflow.data.prepare import prepare_data
from qatflow.data.prepared import PreparedData, open_prepared
from qatflow.models import ARCHITECTURES
from qatflow.models.backbones import features, with_new_head
from qatflow.params.data import DataParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QatParams, QuantizeParams
from qatflow.params.transfer import TransferParams
from qatflow.quantization.run import make
from qatflow.screen import hushed
from qatflow.training.fit import fit
from qatflow.training.transfer import fine_tune

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
VEHICLES = ("airplane", "automobile", "ship", "truck")
PRETRAIN = PretrainParams(epochs=12, batch_size=128, learning_rate=0.003)


class Budget(NamedTuple):
    """Share of the training images, and epochs: of the head, of all layers, of quantization-aware training."""

    share: float
    head: int
    whole: int
    quantized: int


BUDGETS = (Budget(0.01, 20, 40, 10), Budget(0.1, 10, 20, 5), Budget(1.0, 2, 6, 1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="folder that keeps the pretrained model between runs")
    parser.add_argument("--shares", type=float, nargs="*", default=[budget.share for budget in BUDGETS])
    arguments = parser.parse_args()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        backbone = features(_pretrained(arguments, root))
        print("| training images | epochs | from scratch % (each seed) | transferred % | gain, points |")
        print("| ---: | ---: | --- | --- | ---: |", flush=True)
        for budget in (budget for budget in BUDGETS if budget.share in arguments.shares):
            data = _prepared(arguments.data, VEHICLES, root, budget.share)
            pairs = [_pair(backbone, data, budget, seed) for seed in range(arguments.seeds)]
            print(_row(data, budget, pairs), flush=True)


def _row(data: PreparedData, budget: Budget, pairs: list[tuple[float, float]]) -> str:
    scratch, transferred = (", ".join(f"{100 * score:.2f}" for score in scores) for scores in zip(*pairs, strict=True))
    gain = 100 * np.mean([moved - own for own, moved in pairs])
    images = f"{data.train.count} ({100 * budget.share:g} %)"
    return f"| {images} | {budget.head} + {budget.whole} | {scratch} | {transferred} | {gain:+.2f} |"


def _pretrained(arguments: argparse.Namespace, root: Path) -> keras.Model:
    start(0)
    data = _prepared(arguments.data, ANIMALS, root, 1.0)
    model = ARCHITECTURES["resnet8"](data.input_shape, data.num_outputs, 1.0, data.task)
    kept = arguments.cache and arguments.cache / "animals.npz"
    if kept and kept.exists():
        with np.load(kept) as arrays:
            model.set_weights([arrays[name] for name in arrays.files])
        return model
    fit(model, data, PRETRAIN, 0, "pretraining")
    if kept:
        np.savez(kept, *model.get_weights())
    return model


def _prepared(cifar: Path, classes: tuple[str, ...], root: Path, share: float) -> PreparedData:
    """Prepare some classes; the share is of the training images, and the test split is whole."""
    name = f"{classes[0]}-{share}"
    for split in ("train", "test"):
        (root / f"{name}-images" / split).mkdir(parents=True)
        for label in classes:
            (root / f"{name}-images" / split / label).symlink_to((cifar / split / label).resolve())
    whole = _prepare(DataParams(source="image_folder", path=str(root / f"{name}-images")), root / f"{name}-whole")
    if share == 1.0:
        return whole
    limit = round(whole.train.count * share)
    limited = DataParams(source="image_folder", path=str(root / f"{name}-images"), max_samples=limit)
    few = _prepare(limited, root / name)
    return PreparedData(**{**vars(few), "test": whole.test})


def _prepare(params: DataParams, folder: Path) -> PreparedData:
    with stage_output(folder, "prepare") as out:
        prepare_data(params, "unit", 42, out)
    return open_prepared(folder)


def _pair(backbone: keras.Model, data: PreparedData, budget: Budget, seed: int) -> tuple[float, float]:
    """Return the flatbuffer's accuracy after training from scratch, and after transfer."""
    start(seed)
    scratch = ARCHITECTURES["resnet8"](data.input_shape, data.num_outputs, 1.0, data.task)
    epochs = budget.head + budget.whole
    fit(scratch, data, PretrainParams(epochs=epochs, learning_rate=0.003), seed, "from scratch")
    own = _quantized_accuracy(scratch, data, budget, seed)
    start(seed)
    moved = with_new_head(keras.models.clone_model(backbone), data.input_shape, data.num_outputs, data.task)
    moved.set_weights([*backbone.get_weights(), *moved.layers[-1].get_weights()])
    settings = TransferParams(source="file", head_epochs=budget.head, epochs=budget.whole, learning_rate=0.003)
    fine_tune(moved, data, settings, seed)
    return own, _quantized_accuracy(moved, data, budget, seed)


def _quantized_accuracy(model: keras.Model, data: PreparedData, budget: Budget, seed: int) -> float:
    training = QatParams(epochs=budget.quantized, learning_rate=3e-4)
    made = make("qat_w8a8_per_channel", model, data, QuantizeParams(training=training), seed=seed)
    return accuracy_of(made.flatbuffer, data)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")
