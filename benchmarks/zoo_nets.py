"""The networks of the zoo: what builds each, what it takes, and which run unless all are asked for."""

from __future__ import annotations

import importlib
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo_papers import CLASSES, PAPERS
from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.search.models import take_model

layers = keras.layers
TINY = "MLPERF_TINY"
"""Environment variable: the folder with vww_96.h5, ad01.h5, pretrainedResnet.h5 and kws01.tar.gz."""


@dataclass(frozen=True)
class Net:
    """A network and the data that it takes.

    Attributes:
        family: Of its kind one runs by default.
        shape: Of a sample.
        build: Returns the model, of tf_keras or Keras 3, with random weights or its own.
        classes: That it tells apart; 0 for an autoencoder.
        pixels: Whether samples are 0 to 255, else about standard normal.
        small: Whether quantization-aware training is tried too.
        chosen: Whether it runs by default.
        data: Returns samples and classes of its own; None for patterns in noise.
    """

    family: str
    shape: tuple[int, ...]
    build: Callable[[], Any]
    classes: int = CLASSES
    pixels: bool = False
    small: bool = False
    chosen: bool = True
    data: Callable[[], tuple[Array, Array]] | None = None


SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71, "NASNetLarge": 32}
NARROW: dict[str, dict[str, Any]] = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"alpha": 0.75},
}
BY_DEFAULT = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetV2B0", "NASNetMobile"),
    *("DenseNet121", "RegNetX002", "RegNetY002", "ResNet50", "ResNet50V2", "ResNetRS50", "Xception", "InceptionV3"),
    *("ConvNeXtTiny", "VGG16", "InceptionResNetV2"),
)
"""One of each family, small ones first."""
OF_KERAS_3 = ("MobileNetV2", "MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121", "NASNetMobile")
PREPARED = ("ConvNeXt", "EfficientNet", "MobileNetV3", "RegNet", "ResNetRS")
"""Families whose models prepare pixels themselves."""


def _application(package: str, name: str) -> Net:
    side = SMALLEST.get(name, 32)
    settings = {"weights": None, "classes": CLASSES, "input_shape": (side, side, 3)} | NARROW.get(name, {})

    def build() -> Any:
        return getattr(importlib.import_module(package).applications, name)(**settings)

    chosen = name in (BY_DEFAULT if package == "tf_keras" else OF_KERAS_3)
    return Net(package, (side, side, 3), build, pixels=name.startswith(PREPARED), chosen=chosen)


def _applications(package: str) -> dict[str, Net]:
    """Return all applications of a package; the names of Keras 3's begin with its own."""
    found = vars(importlib.import_module(package).applications)
    names = [*BY_DEFAULT, *sorted(set(found) - set(BY_DEFAULT))]
    prefix = "" if package == "tf_keras" else "Keras 3 "
    return {prefix + name: _application(package, name) for name in names if name in found and name[0].isupper()}


def _tiny(folder: Path) -> dict[str, Net]:
    """MLPerf Tiny's reference models; keyword spotting has no Keras file, its architecture is that of its paper."""

    def load(name: str) -> Callable[[], Any]:
        return lambda: take_model(folder / name, folder)

    return {
        "MLPerf Tiny images": Net("tiny", (32, 32, 3), load("pretrainedResnet.h5"), 10, pixels=True, small=True),
        "MLPerf Tiny wake words": Net("tiny", (96, 96, 3), load("vww_96.h5"), 2, small=True),
        "MLPerf Tiny anomalies": Net("tiny", (640,), load("ad01.h5"), 0, small=True),
        "MLPerf Tiny keywords": Net(
            "tiny", (49, 10, 1), ds_cnn, 12, small=True, data=lambda: _keywords(folder / "kws01.tar.gz")
        ),
    }


def ds_cnn() -> keras.Model:
    """Depthwise separable convolutions for keywords. Zhang et al., arXiv:1711.07128; as MLPerf Tiny has it."""
    inputs = layers.Input((49, 10, 1))
    x = layers.Conv2D(64, (10, 4), 2, padding="same")(inputs)
    x = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(x)))
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(64, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(x)))
    return keras.Model(inputs, layers.Dense(12, activation="softmax")(x), name="ds_cnn")


def _keywords(archive: Path) -> tuple[Array, Array]:
    """Return the official inputs (1000, 49, 10, 1) as numbers of about -1 to 1, and their classes."""
    with tarfile.open(archive) as held:
        files = {Path(member.name).name: member for member in held.getmembers() if member.isfile()}
        table = held.extractfile(files["y_labels.csv"]).read().decode()  # type: ignore[union-attr]
        rows = [line.split(",") for line in table.split()]
        raw = [held.extractfile(files[row[0].strip()]).read() for row in rows]  # type: ignore[union-attr]
    x = np.stack([np.frombuffer(each, np.int8).reshape(49, 10, 1) for each in raw]).astype(np.float32) / 64
    return x, np.array([int(row[2]) for row in rows])


def nets() -> dict[str, Net]:
    """Return all networks by name: small ones first, then the applications."""
    own = {name: Net("papers", shape, build, small=True) for name, (shape, build) in PAPERS.items()}
    pixels = {"EfficientNet blocks": Net("papers", *PAPERS["EfficientNet blocks"], pixels=True, small=True)}
    folder = os.environ.get(TINY)
    return own | pixels | (_tiny(Path(folder)) if folder else {}) | _applications("tf_keras") | _applications("keras")
