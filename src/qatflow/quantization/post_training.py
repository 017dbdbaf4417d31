"""Strategies that leave quantization to TFLite's converter, without training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.quantization.base import History, Trained, Work
from qatflow.quantization.canonical import canonical, check_finite
from qatflow.quantization.correction.equalization import equalize
from qatflow.quantization.deployed import Deployable, bias_corrected
from qatflow.quantization.emit import require_finite


@dataclass(frozen=True)
class PostTraining:
    """Gives the float model to the converter.

    Attributes:
        converter: Makes the flatbuffer from a float model and representative samples.
        corrected: Whether weights can be equalized before and biases corrected after, where the parameters say so.
    """

    converter: Callable[[keras.Model, Iterable[Array]], bytes]
    corrected: bool = False
    trained: bool = False
    compressions: tuple[str, ...] = ()

    def compress(self, model: keras.Model, work: Work) -> tuple[keras.Model, History]:  # noqa: ARG002
        """Return the model itself."""
        return model, []

    def prepare(self, model: keras.Model, work: Work) -> Deployable:
        """Return the model without fake-quants; see `Strategy`."""
        check_finite(model)
        wanted = work.settings.corrections
        equal = equalize(canonical(model)) if self.corrected and wanted.equalize else model
        return Deployable(equal, reference=equal if self.corrected and wanted.bias else None)

    def train(self, prepared: Deployable, model: keras.Model, work: Work) -> Trained:  # noqa: ARG002
        """Return what `prepare` returned."""
        return Trained(prepared, [])

    def convert(self, quantized: Deployable, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer; see `Strategy`."""
        flatbuffer = self.converter(quantized.model, representative)
        if self.corrected:
            require_finite(flatbuffer)
        return bias_corrected(flatbuffer, quantized, representative)
