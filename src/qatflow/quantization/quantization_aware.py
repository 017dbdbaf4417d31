"""Strategies that train with fake-quants, by tfmot's stock schemes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization.fold import fold
from qatflow.quantization.scheme import Scheme
from qatflow.tflite.convert import convert_full_integer


@dataclass(frozen=True)
class QuantizationAware:
    """Quantization-aware training with one of tfmot's schemes.

    Attributes:
        scheme: Makes a tfmot `QuantizeScheme`: which layers get which quantizers.
        folded: Layers that the scheme quantizes per tensor; batch normalization behind them is folded before training.
        excluded: Layers that TFLite cannot run in the scheme's types; they become int8.
        weights: Type that weights have in the flatbuffer, INT8 or INT4.
    """

    scheme: Callable[[], Any]
    folded: tuple[type, ...] = (keras.layers.Dense,)
    excluded: tuple[type, ...] = ()
    weights: str = "INT8"
    trained: bool = True

    def prepare(self, model: keras.Model) -> keras.Model:
        """Return a new model with the same weights and fake-quants around them and behind activations.

        Raises:
            ModelError: If the model holds other models, calls a layer twice, or has an order of layers that tfmot
                cannot rewrite.
        """
        from tensorflow_model_optimization.quantization.keras import quantize_apply, quantize_scope

        _check_flat(model)
        scheme = Scheme(self.scheme(), self.excluded)
        try:
            with quantize_scope():
                return quantize_apply(scheme.annotate(fold(model, self.folded)), scheme)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"tfmot cannot make {model.name} quantization-aware: {str(error)[:300]}") from None

    def convert(self, model: keras.Model, representative: Iterable[Array]) -> bytes:
        """Return the flatbuffer; see `Strategy`."""
        return convert_full_integer(model, representative, self.weights)


def w8a8(*, per_channel: bool) -> Any:
    """Return tfmot's 8-bit scheme; `per_channel` concerns convolutions, dense weights are always per tensor."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_scheme

    return default_8bit_quantize_scheme.Default8BitQuantizeScheme(disable_per_axis=not per_channel)


def w4a8() -> Any:
    """Return tfmot's n-bit scheme with 4-bit weights, per channel for convolutions, and 8-bit activations."""
    from tensorflow_model_optimization.python.core.quantization.keras.experimental.default_n_bit import (
        default_n_bit_quantize_scheme,
    )

    return default_n_bit_quantize_scheme.DefaultNBitQuantizeScheme(num_bits_weight=4, num_bits_activation=8)


def _check_flat(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ModelError(
                f"{model.name} holds the model '{layer.name}'; quantization-aware training needs one flat model. "
                "Post-training strategies such as ptq_w8a8 take it as it is."
            )
        if len(layer.inbound_nodes) > 1:
            raise ModelError(f"{model.name} calls layer '{layer.name}' more than once; tfmot cannot quantize that")
