"""Scales and offsets between layers in one form: `Rescaling`, one for each chain of Rescalings and Normalizations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.rebuild import Part, copied, rebuild
from qatflow.quantization.fold import gain_of, source_of
from qatflow.quantization.wiring import reader_of

layers = keras.layers


def merged(model: keras.Model) -> keras.Model:
    """Return a model that computes the same, with one `Rescaling` for each chain of Rescalings and Normalizations.

    Args:
        model: Flat; a normalization that was adapted is what it is now.
    """

    def replace(layer: Any) -> Sequence[Part]:
        if not _is_affine(layer):
            return [copied(layer)]
        if _goes_on(model, layer):
            return []
        factor, offset = _whole(model, layer)
        return [Part(layers.Rescaling(_plain(factor), _plain(offset), name=layer.name), [])]

    return rebuild(model, replace)


def _is_affine(layer: Any) -> bool:
    known = isinstance(layer, (layers.Rescaling, layers.Normalization))
    return known and len(layer.inbound_nodes) == 1 and layer.output_shape[1:] == layer.input_shape[1:]


def _goes_on(model: keras.Model, layer: Any) -> bool:
    reader = reader_of(layer)
    return reader is not None and _is_affine(reader) and layer.name not in model.output_names


def _whole(model: keras.Model, layer: Any) -> tuple[Array, Array]:
    """Return factor and offset of a layer and of those before it that are merged into it."""
    factor, offset = numbers_of(layer)
    source = source_of(layer)
    if source is None or not _is_affine(source) or not _goes_on(model, source):
        return factor, offset
    first, shift = _whole(model, source)
    return factor * first, factor * shift + offset


def numbers_of(layer: Any) -> tuple[Array, Array]:
    """Return factor and offset of a Rescaling or any normalization, float64, of a shape that broadcasts to a sample."""
    if isinstance(layer, layers.Rescaling):
        return np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    if isinstance(layer, layers.BatchNormalization):
        gain = gain_of(layer).astype(np.float64)
        return gain, (layer.beta.numpy() if layer.center else 0.0) - layer.moving_mean.numpy() * gain
    mean, variance = (np.asarray(x, np.float64) for x in (layer.mean, layer.variance))
    mean, variance = (x[0] if x.ndim == len(layer.input_shape) else x for x in (mean, variance))
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)


def _plain(numbers: Array) -> Any:
    return float(numbers.reshape(())) if numbers.size == 1 else numbers.astype(np.float32).tolist()
