"""What looks wrong about data for a model: a range it was not trained on, saturated or constant activations."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.activations import activation_of

SAMPLES = 64
NAMED = 3
SATURATED_SHARE = 0.999
BOUNDS: Mapping[str, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu6": (-np.inf, 6.0)}
NEAR = 1e-3
STRANGE_DEVIATIONS = 10.0
"""Batch normalization sees means that lie so many of its own standard deviations from its own means."""


def remarks(model: keras.Model, x: Array) -> tuple[str, ...]:
    """Return a sentence for each way in which samples do not look like what the model was trained on; mostly none.

    Args:
        model: The float model.
        x: Samples (n, *shape) float32; the first 64 are used.
    """
    watched = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    sources = [layer for layer in watched if isinstance(layer, keras.layers.BatchNormalization)]
    tensors = [layer.get_output_at(0) for layer in watched] + [layer.get_input_at(0) for layer in sources]
    found = keras.Model(model.inputs, tensors).predict(x[:SAMPLES], verbose=0)
    found = found if isinstance(found, list) else [found]
    outputs, inputs = found[: len(watched)], found[len(watched) :]
    checks = {
        "have the same output for every sample": [
            layer.name for layer, values in zip(watched, outputs, strict=True) if _is_constant(values)
        ],
        "saturate on nearly all values": [
            layer.name for layer, values in zip(watched, outputs, strict=True) if _saturates(layer, values)
        ],
        "see values far from those the model was trained on": [
            layer.name for layer, values in zip(sources, inputs, strict=True) if _is_strange(layer, values)
        ],
    }
    return tuple(_sentences(checks))


def _sentences(checks: Mapping[str, list[str]]) -> Iterator[str]:
    for what, layers in checks.items():
        if layers:
            more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
            named = ", ".join(f"'{name}'" for name in layers[:NAMED])
            yield f"layers {named}{more} {what}; are the data in the range that the model was trained on?"


def _is_constant(values: Array) -> bool:
    return len(values) > 1 and bool(np.ptp(values.reshape(len(values), -1), axis=0).max(initial=0.0) == 0.0)


def _saturates(layer: Any, values: Array) -> bool:
    kind = "relu6" if layer.get_config().get("max_value") == 6.0 else activation_of(layer)
    if kind not in BOUNDS:
        return False
    low, high = BOUNDS[kind]
    return bool(np.mean((values <= low + NEAR) | (values >= high - NEAR)) > SATURATED_SHARE)


def _is_strange(layer: Any, values: Array) -> bool:
    """Compare the mean of each channel with the mean and deviation that the layer has learnt."""
    mean, deviation = layer.moving_mean.numpy(), np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    seen = values.mean(axis=tuple(axis for axis in range(values.ndim) if axis != layer.axis[0] % values.ndim))
    return bool(np.median(np.abs(seen - mean) / deviation) > STRANGE_DEVIATIONS)
