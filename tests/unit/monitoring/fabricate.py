"""Streams whose truth is known: digits, and made-up samples of any shape, before and after something happened."""

from functools import cache
from pathlib import Path

import numpy as np

from qatflow.artifacts import Array
from qatflow.monitoring.features import describe, embed
from qatflow.monitoring.reference import Reference, build_reference, signals
from qatflow.monitoring.statistics import Window
from qatflow.params.monitoring import MonitoringParams

SHA = "a" * 64
CLASSES = tuple("0123456789")
HELD = np.array([[-0.5], [16.5]], np.float32)
PARAMS = MonitoringParams()
ROOT = Path(__file__).parents[3]


@cache
def digits() -> tuple[Array, Array, Array]:
    """Return inputs (n, 8, 8, 1) float32, scores (n, 10) float32 of a made-up int8 model, and labels (n,)."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    noise = rng.gumbel(size=(len(x), 10)) + 7 * np.eye(10)[y[order]]
    likely = np.exp(noise) / np.exp(noise).sum(axis=1, keepdims=True)
    scores = np.minimum(255, np.round(likely * 256)).astype(np.float32) / 256
    return x[order].reshape(-1, 8, 8, 1).astype(np.float32), scores, y[order]


def about(task: str = "classification") -> dict[str, object]:
    """Return what a reference is told of its model."""
    return {"model_sha256": SHA, "task": task, "classes": CLASSES if task == "classification" else ()}


@cache
def reference() -> Reference:
    """Return the reference of the first 1,000 digits, with the answers to the next 400."""
    x, scores, y = digits()
    return build_reference(about(), [x[:600], x[600:1000]], scores[1000:1400], y[1000:1400], HELD)


def window(start: int = 1400, count: int = 200, seed: int = 0) -> Window:
    """Return digits that the reference has not seen."""
    x, scores, _ = digits()
    rows = slice(start, start + count)
    return window_of(reference(), x[rows], scores[rows], seed)


def window_of(frozen: Reference, x: Array, scores: Array, seed: int = 0) -> Window:
    """Return a window of samples and scores."""
    task = frozen.about.task
    classes = scores.argmax(axis=1) if task == "classification" else np.zeros(0, np.int64)
    return Window(describe(x), signals(task, scores), classes, embed(x) / frozen.scale, seed)
