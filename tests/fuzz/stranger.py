"""A stranger's model with data: drawn by seed, with weights that a few steps of training gave it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.fuzz.drawing import BLOCKS, Array, Draw, channels, sample_shape
from tests.fuzz.preparing import PREPARATIONS

SAMPLES = {"train": 240, "test": 200}
CLASSES = 4
TRIES, LEARNED = 6, 0.55
"""Score that a model must reach; by chance it is 0.25 of accuracy, or an R² of 0."""
MAX_VALUES = 6000
"""No block is added behind a map of more values: the models stay small enough to try thousands of them."""


@dataclass(frozen=True, eq=False)
class Stranger:
    """What somebody brings.

    Attributes:
        seed: Draws it again.
        model: A Keras 3 or tf_keras model.
        task: classification or regression.
        x_train, y_train, x_test, y_test: Data that go into the model as they are.
        recipe: A line a layer, and what is special about the data.
        faults: What is wrong with the data: outliers, imbalance, a constant channel.
    """

    seed: int
    model: Any
    task: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    recipe: tuple[str, ...]
    faults: tuple[str, ...]

    def told(self) -> Array:
        """Return what the model itself says, (n, k): probabilities of classes, whichever way it ends, or values."""
        told = np.asarray(self.model(self.x_test, training=False), np.float64).reshape(len(self.x_test), -1)
        if self.task == "regression" or self.recipe[-1].endswith("softmax"):
            return told
        grown = np.exp(told - told.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))

    def score(self, outputs: Array) -> float:
        """Return accuracy, or R², of outputs (n, k) for the test samples."""
        if self.task == "classification":
            return float(np.mean(outputs.argmax(axis=1) == self.y_test))
        spread = np.mean((self.y_test - self.y_test.mean(axis=0)) ** 2)
        return float(1 - np.mean((outputs - self.y_test) ** 2) / spread)

    @property
    def data(self) -> tuple[Array, Array, Array, Array]:
        """Return what `qatflow.quantize` takes."""
        return self.x_train, self.y_train, self.x_test, self.y_test


def stranger(seed: int) -> Stranger:
    """Draw a model with data by seed; one that has learned nothing is nobody's, and is drawn again."""
    best = None
    for attempt in range(TRIES):
        draw, brought = _drawn(seed, np.random.default_rng((seed, attempt)))
        score = brought.score(brought.told())
        best = max(best or (score, draw, brought), (score, draw, brought), key=lambda found: found[0])
        if score > LEARNED:
            break
    _train(*best[1:])
    return best[2]


def _drawn(seed: int, rng: np.random.Generator) -> tuple[Draw, Stranger]:
    """Draw a model whose head is solved for: whether it learns is seen before anything trains."""
    draw = Draw(importlib.import_module("keras" if seed % 2 else "tf_keras"), rng)
    draw.keras.utils.set_random_seed(seed)
    kind, task = draw.pick("image", "image", "sequence", "table"), draw.pick(*["classification"] * 3, "regression")
    shape = sample_shape(draw, kind)
    preparation = PREPARATIONS[int(rng.integers(len(PREPARATIONS)))]
    inputs = draw.keras.Input(shape)
    draw.recipe.append(f"Input{shape}, {preparation.name}")
    features = _features(draw, kind, preparation.apply(draw, inputs))
    outputs = draw.keras.layers.Dense(CLASSES if task == "classification" else 2)(features)
    softmax = task == "classification" and draw.chance(0.8)
    given = draw.keras.layers.Softmax()(outputs) if softmax else outputs
    draw.recipe.append(f"Dense, {'softmax' if softmax else 'linear'}")
    z, y = _samples(rng, shape, task)
    faults = _faults(draw, z, y, task)
    x = preparation.raw(z)
    _outliers(draw, x, faults)
    count = SAMPLES["train"]
    model = draw.keras.Model(inputs, given)
    _solve(draw, inputs, features, model, x[:count], y[:count])
    data = x[:count], y[:count], x[count:], y[count:]
    return draw, Stranger(seed, model, task, *data, tuple(draw.recipe), tuple(faults))


def _features(draw: Draw, kind: str, x: Any) -> Any:
    for _ in range(int(draw.rng.integers(2, 6))):
        if np.prod(x.shape[1:]) > MAX_VALUES:
            x = draw.layer(f"AveragePooling{len(x.shape) - 2}D", x, pool_size=2)
        x = draw.pick(*BLOCKS[kind])(draw, x)
    if kind == "table":
        return x
    if kind == "sequence" and draw.chance(0.3):
        recurrent = draw.pick("LSTM", "GRU", "SimpleRNN")
        return draw.layer(recurrent, x, units=channels(draw))
    if draw.chance(0.6):
        return draw.layer(draw.pick("GlobalAveragePooling", "GlobalMaxPooling") + f"{len(x.shape) - 2}D", x)
    return draw.layer("Flatten", x)


def _samples(rng: np.random.Generator, shape: tuple[int, ...], task: str) -> tuple[Array, Array]:
    """Patterns in noise, (n, *shape) about standard normal, and what is to be learned of them."""
    count = sum(SAMPLES.values())
    y = rng.integers(0, CLASSES, count)
    patterns = rng.normal(size=(CLASSES, *shape))
    z = 0.8 * patterns[y] + 0.6 * rng.normal(size=(count, *shape))
    if task == "classification":
        return z, y
    directions = rng.normal(size=(int(np.prod(shape)), 2)) / np.sqrt(np.prod(shape))
    return z, (z.reshape(count, -1) @ directions).astype(np.float32)


def _faults(draw: Draw, z: Array, y: Array, task: str) -> list[str]:
    """Spoil the values in place, as real data are; outliers come with the data's own units."""
    shares = {"constant": 0.1 * (z.shape[-1] > 1), "rare": 0.1 * (task == "classification"), "outliers": 0.1}
    faults = [name for name, share in shares.items() if draw.chance(share)]
    if "constant" in faults:
        z[..., 0] = 0.5
    if "rare" in faults:
        keep = draw.rng.random(len(y)) < 0.1
        y[(y == 1) & ~keep] = 0
    return faults


def _outliers(draw: Draw, x: Array, faults: list[str]) -> None:
    """A few broken readings among the training data."""
    if "outliers" in faults:
        rows = draw.rng.integers(0, SAMPLES["train"], 4)
        x[rows, ..., 0] += np.float32(300 * (np.abs(x).max() + 1e-6))


def _solve(draw: Draw, inputs: Any, features: Any, model: Any, x: Array, y: Array) -> None:
    """Statistics of batch normalization, and a head by ridge regression."""
    if any("BatchNormalization" in line or "Sequential" in line for line in draw.recipe):
        for part in np.array_split(x, 4):
            model(part, training=True)
    seen = np.asarray(draw.keras.Model(inputs, features)(x, training=False), np.float64)
    target = np.eye(CLASSES)[y] * 6 if y.ndim == 1 else y
    head = next(layer for layer in reversed(model.layers) if layer.weights)
    head.set_weights(_ridge(seen, target))


def _train(draw: Draw, brought: Stranger) -> None:
    """A few steps on everything."""
    model, (x, y) = brought.model, brought.data[:2]
    loss = "sparse_categorical_crossentropy" if y.ndim == 1 else "mse"
    if loss != "mse" and "softmax" not in brought.recipe[-1]:
        return
    before = model.get_weights()
    model.compile(draw.keras.optimizers.Adam(3e-4, clipnorm=1.0), loss, run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(x, y)
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        model.set_weights(before)


def _ridge(x: Array, y: Array) -> list[Array]:
    """Return kernel and bias of the linear map from x (n, d) to y (n, k) with least squared error and small weights.

    Solved for the samples, which are fewer than the features of many a model: X'(XX' + λ)⁻¹y.
    """
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = spread + 0.1 * spread.mean() + 1e-6  # no feature that hardly moves gets a weight that no training gives
    scaled = np.clip((x - mean) / spread, -10, 10)
    kernel = scaled.T @ np.linalg.solve(scaled @ scaled.T + 0.1 * len(x) * np.eye(len(x)), y - y.mean(axis=0))
    kernel /= spread[:, None]
    return [kernel.astype(np.float32), (y.mean(axis=0) - mean @ kernel).astype(np.float32)]
