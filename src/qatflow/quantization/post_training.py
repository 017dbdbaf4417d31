"""Strategies that quantize a float model as it is, without training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qatflow.artifacts import Array
from qatflow.backend import keras


@dataclass(frozen=True)
class PostTraining:
    """Leaves the model alone and leaves quantization to the converter.

    Attributes:
        converter: Makes the flatbuffer from a float model and representative samples.
    """

    converter: Callable[[keras.Model, Iterable[Array]], bytes]
    trained: bool = False

    def prepare(self, model: keras.Model) -> keras.Model:
        """Return the model itself."""
        return model

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer; see `Strategy`."""
        return self.converter(model, representative)
