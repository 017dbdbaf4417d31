"""What quantization did to the weights of each layer."""

import math
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.errors import ConversionError
from qatflow.tflite.inspect import LayerWeights, layer_weights

BINS = 40


def compare_layers(float_model: bytes, model: bytes) -> list[dict[str, Any]]:
    """Return for each layer with weights: name, operator, dtype, `weights_histogram`, `error_histogram`, `sqnr_db`.

    Layers of the two flatbuffers are matched by their order; where number or shape differ, error and SQNR are None.

    Raises:
        ConversionError: If weights cannot be read or are not finite.
    """
    layers, originals = layer_weights(model), layer_weights(float_model)
    matched = originals if len(originals) == len(layers) else repeat(None)
    return [_compare(layer, original) for layer, original in zip(layers, matched, strict=False)]


def histogram(values: Array) -> dict[str, Sequence[float]]:
    """Return `BINS` + 1 edges and `BINS` counts over the range of the values."""
    counts, edges = np.histogram(values.astype(np.float64), BINS)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def sqnr_db(values: Array, error: Array) -> float | None:
    """Return the signal-to-quantization-noise ratio 10 log10(Σ values² / Σ error²) in dB; None if either sum is 0."""
    signal, noise = (float(np.sum(np.square(part, dtype=np.float64))) for part in (values, error))
    return 10 * math.log10(signal / noise) if signal and noise else None


def _compare(layer: LayerWeights, original: LayerWeights | None) -> dict[str, Any]:
    if not np.isfinite(layer.values).all():
        raise ConversionError(f"Layer '{layer.name}' has weights that are NaN or infinite")
    error = None
    if original is not None and original.values.shape == layer.values.shape:
        error = layer.values.astype(np.float64) - original.values
    return {
        "name": layer.name,
        "operator": layer.operator,
        "dtype": layer.dtype,
        "weights_histogram": histogram(layer.values),
        "error_histogram": None if error is None else histogram(error),
        "sqnr_db": None if error is None or original is None else sqnr_db(original.values, error),
    }
