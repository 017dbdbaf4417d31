"""A tfmot quantization scheme that carries out a plan: its registry is keyed on the names of layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_config import QuantizeConfig
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layout_transform import (
    QuantizeLayoutTransform,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry
from tensorflow_model_optimization.python.core.quantization.keras.quantize_scheme import QuantizeScheme
from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer, quantize_apply

from qatflow.backend import keras
from qatflow.quantization.fold import KERNELS


@dataclass(frozen=True)
class LayerConfig(QuantizeConfig):
    """The quantizers of one layer: of its weights, its output, both or neither."""

    weights: Any
    output: Any

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """Return the kernel with its quantizer."""
        return [(getattr(layer, KERNELS[type(layer)]), self.weights)] if self.weights else []

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:  # noqa: ARG002 (tfmot's name)
        """Return nothing: activations that TFLite does not fuse are layers of their own."""
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Let the layer compute with the quantized kernel."""
        for weight in quantize_weights:
            setattr(layer, KERNELS[type(layer)], weight)

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """Do nothing."""

    def get_output_quantizers(self, layer: Any) -> list[Any]:  # noqa: ARG002
        """Return the output's quantizer."""
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        """Return the quantizers' arguments."""
        return {name: part and part.get_config() for name, part in vars(self).items()}


class PlannedScheme(QuantizeScheme, QuantizeRegistry, QuantizeLayoutTransform):
    """Gives each layer that a plan names its quantizers, and leaves the graph as it is.

    Args:
        configs: Layer -> its quantizers.
    """

    def __init__(self, configs: Mapping[str, LayerConfig]) -> None:
        self._configs = configs

    def get_layout_transformer(self) -> "PlannedScheme":
        """Return what rewrites the graph: this, which does not."""
        return self

    def get_quantize_registry(self) -> "PlannedScheme":
        """Return what knows the quantizers of a layer: this."""
        return self

    def apply(self, model: keras.Model, layer_quantize_map: dict[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
        """Return both as they are."""
        return model, layer_quantize_map

    def supports(self, layer: Any) -> bool:
        """Tell whether the layer has quantizers."""
        return layer.name in self._configs

    def get_quantize_config(self, layer: Any) -> LayerConfig:
        """Return the quantizers of a layer."""
        return self._configs[layer.name]

    def wrap(self, model: keras.Model) -> keras.Model:
        """Return a copy of a flat model with these quantizers."""

        def annotate(layer: Any) -> Any:
            copy = type(layer).from_config(layer.get_config())  # else the model itself would share the layer
            return quantize_annotate_layer(copy) if self.supports(layer) else copy

        annotated = keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        return quantize_apply(annotated, self)
