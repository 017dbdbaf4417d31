"""The peers: tfmot's stock schemes, and AI Edge Quantizer, as their users would call them. Benchmarks only."""

from collections.abc import Callable
from typing import Any

from ai_edge_litert.interpreter import Interpreter
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_scheme
from tensorflow_model_optimization.python.core.quantization.keras.experimental.default_n_bit import (
    default_n_bit_quantize_scheme,
)
from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer, quantize_apply, quantize_scope

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.models.flatten import flatten
from qatflow.tflite.convert import convert_integer

SCHEMES: dict[str, Callable[[], Any]] = {
    "stock tfmot 8-bit": default_8bit_quantize_scheme.Default8BitQuantizeScheme,
    "stock tfmot 4-bit weights": lambda: default_n_bit_quantize_scheme.DefaultNBitQuantizeScheme(
        num_bits_weight=4, num_bits_activation=8
    ),
}


def stock(name: str, model: keras.Model) -> keras.Model:
    """Return tfmot's fake-quant model: all layers annotated, as `quantize_model` does, with one of its schemes."""
    flat = flatten(model)
    annotated = keras.models.clone_model(flat, clone_function=_annotate)
    annotated.set_weights(flat.get_weights())
    with quantize_scope():
        return quantize_apply(annotated, SCHEMES[name]())


def convert_stock(model: keras.Model, samples: Array) -> bytes:
    """Return the flatbuffer, in integers."""
    return convert_integer(model, samples, None)


def ai_edge(model: keras.Model, samples: Array) -> bytes | None:
    """Return AI Edge Quantizer's static int8 flatbuffer; None where the package is not installed."""
    try:
        from ai_edge_quantizer import quantizer, recipe
    except ImportError:
        return None
    fixed = keras.models.clone_model(model, keras.Input(model.input_shape[1:], batch_size=1, name="input"))
    fixed.set_weights(model.get_weights())
    content = bytes(tf.lite.TFLiteConverter.from_keras_model(fixed).convert())
    peer = quantizer.Quantizer(bytearray(content), recipe.static_wi8_ai8())
    key = next(iter(Interpreter(model_content=content).get_signature_list()))
    calibrated = peer.calibrate({key: [{"input": sample[None]} for sample in samples]})
    return bytes(peer.quantize(calibrated).quantized_model)


def _annotate(layer: Any) -> Any:
    return layer if isinstance(layer, keras.layers.InputLayer) else quantize_annotate_layer(layer)
