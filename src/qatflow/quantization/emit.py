"""Makes flatbuffers of quantized models, of the type that a strategy's name promises."""

from collections.abc import Iterable

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ConversionError
from qatflow.models.kernels import KERNELS, columns
from qatflow.quantization.correction.graph import copied
from qatflow.quantization.deployed import Deployable, converted_form, snap_biases
from qatflow.quantization.fake_quant import initial_steps
from qatflow.quantization.grid import on_grid
from qatflow.quantization.narrow import narrowed
from qatflow.tflite.convert import convert_int16_activations, convert_integer, require
from qatflow.tflite.inspect import layer_weights
from qatflow.tflite.pairs import without_pairs


def to_int8(weights: str, quantized: Deployable, samples: Iterable[Array]) -> bytes:
    """Return the flatbuffer with 8-bit activations and, if the model has any to quantize, weights of type `weights`.

    Raises:
        ConversionError: If it would have no such weights.
    """
    snap_biases(quantized)
    flatbuffer = without_pairs(convert_integer(converted_form(quantized), samples, None))
    flatbuffer = narrowed(flatbuffer, quantized)
    return require(flatbuffer, weights) if quantized.plan.weights else flatbuffer


def to_int16(quantized: Deployable, samples: Iterable[Array]) -> bytes:
    """Return the flatbuffer with int8 weights and int16 activations.

    The converter has no int16 form of fake-quants. It gets a float model whose weights lie on the grid that it will
    choose itself: the one that reaches each channel's largest weight.

    Raises:
        ConversionError: If TFLite has no such operators, or see `require_finite`.
    """
    model = copied(quantized.model)
    for name in quantized.plan.weights:
        _round(model.get_layer(name))
    return require_finite(convert_int16_activations(model, samples))


def require_finite(flatbuffer: bytes) -> bytes:
    """Return the flatbuffer if all its weights are numbers.

    Raises:
        ConversionError: If not: for int16 activations the converter divides by the range of a layer's output, and that
            of a dead layer is 0.
    """
    with np.errstate(invalid="ignore"):
        found = layer_weights(flatbuffer)
    for layer in found:
        if not np.isfinite(layer.values).all():
            raise ConversionError(
                f"TFLite stores no usable weights for '{layer.name}': what it reads is 0 for every calibration sample. "
                "Use more samples, 8-bit activations, or a model without dead layers"
            )
    return flatbuffer


def _round(layer: keras.layers.Layer) -> None:
    steps = initial_steps(layer, 8, per_channel=True, method="full")
    kernel = getattr(layer, KERNELS[type(layer)])
    kernel.assign(np.reshape(on_grid(columns(layer), steps, 8), kernel.shape))
