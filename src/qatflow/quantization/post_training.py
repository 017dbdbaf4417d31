"""Strategies that quantize a float model as it is, without training."""

from collections.abc import Iterable
from dataclasses import dataclass

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.tflite import convert


@dataclass(frozen=True)
class Float32:
    """No quantization."""

    trained: bool = False

    def prepare(self, model: keras.Model) -> keras.Model:
        """Return the model itself."""
        return model

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:  # noqa: ARG002 (see `Strategy`)
        """Return the float32 flatbuffer."""
        return convert.convert_float(model)


@dataclass(frozen=True)
class Float16(Float32):
    """Float16 weights, float32 arithmetic: half the size."""

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:  # noqa: ARG002
        """Return the flatbuffer."""
        return convert.convert_float16(model)


@dataclass(frozen=True)
class DynamicRange(Float32):
    """Int8 weights, activations quantized as they come, float32 input and output."""

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:  # noqa: ARG002
        """Return the flatbuffer."""
        return convert.convert_dynamic_range(model)


@dataclass(frozen=True)
class FullInteger(Float32):
    """Int8 throughout, ranges of activations from representative samples: `ptq_w8a8`."""

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer."""
        return convert.convert_full_integer(model, representative)
