"""What a quantization strategy is."""

from collections.abc import Iterable
from typing import Protocol

from qatflow.artifacts import Array
from qatflow.backend import keras


class Strategy(Protocol):
    """Turns a trained float model into a flatbuffer of the promised number format.

    Names carry bit widths: `w4a8` has 4-bit weights and 8-bit activations. `ptq` is post-training quantization, `qat`
    quantization-aware training. Equal models and samples give equal bytes, in any process on one kind of machine.
    """

    @property
    def trained(self) -> bool:
        """Whether the prepared model must be trained before it is converted."""

    def prepare(self, model: keras.Model) -> keras.Model:
        """Return the model to train: a new one with fake-quants, or for untrained strategies the model itself.

        Raises:
            ModelError: If the strategy cannot quantize a model of this structure.
        """

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer of a prepared (and, if so needed, trained) model.

        Args:
            model: What `prepare` returned.
            representative: Preprocessed samples, each (*shape) float32, that show the range of activations.

        Raises:
            ConversionError: If the flatbuffer would not be what the strategy's name promises.
        """
