"""A tfmot quantization scheme that carries out a plan: its registry is keyed on the names of layers."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_config import QuantizeConfig
from tensorflow_model_optimization.python.core.quantization.keras.quantize_layout_transform import (
    QuantizeLayoutTransform,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry
from tensorflow_model_optimization.python.core.quantization.keras.quantize_scheme import QuantizeScheme
from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer, quantize_apply

from qatflow.backend import keras, tf
from qatflow.models.kernels import KERNELS


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
            if isinstance(layer, keras.layers.Conv1D):
                layer.convolution_op = partial(_convolve, layer)

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """Do nothing."""
        del layer, quantize_activations  # AutoGraph complains of empty functions

    def get_output_quantizers(self, layer: Any) -> list[Any]:  # noqa: ARG002
        """Return the output's quantizer."""
        return [self.output] if self.output else []

    def get_config(self) -> dict[str, Any]:
        """Return the quantizers' arguments."""
        return {name: part and part.get_config() for name, part in vars(self).items()}


def _convolve(layer: Any, inputs: Any, kernel: Any) -> Any:
    """Return a Conv1D of inputs (n, w, i) as a Conv2D with a kernel (1, k, i, o).

    The converter refuses a fake-quant with a step a channel that is reshaped on its way to the convolution.
    """
    padding = "VALID" if layer.padding == "causal" else layer.padding.upper()
    (stride,), (dilation,) = layer.strides, layer.dilation_rate
    image = tf.expand_dims(inputs, 1)
    return tf.squeeze(tf.nn.conv2d(image, kernel, (1, stride), padding, dilations=(1, dilation)), 1)


def _reshaped(inputs: Any, shape: tuple[int, ...]) -> Any:
    """Return (n, *shape). Keras asks for n while it runs, which takes the device three operators more, and 2 kB."""
    return tf.reshape(inputs, (-1, *shape))


class PlannedScheme(QuantizeScheme, QuantizeRegistry, QuantizeLayoutTransform):
    """Gives each layer that a plan names its quantizers, and leaves the graph as it is.

    Args:
        configs: Layer -> its quantizers.
        clipped: Layers whose output's quantizer clips at 0, so that their own ReLU need not.
    """

    def __init__(self, configs: Mapping[str, LayerConfig], clipped: Set[str] = frozenset()) -> None:
        self._configs, self._clipped = configs, clipped

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
            copy = _linear(layer) if layer.name in self._clipped else type(layer).from_config(layer.get_config())
            return quantize_annotate_layer(copy) if self.supports(layer) else copy

        annotated = keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        wrapped = quantize_apply(annotated, self) if any(map(self.supports, model.layers)) else annotated
        for layer in wrapped.layers:
            if isinstance(layer, keras.layers.Reshape) and None not in layer.output_shape[1:]:
                layer.call = partial(_reshaped, shape=layer.output_shape[1:])
        return wrapped


def _linear(layer: Any) -> Any:
    """Return a copy of a layer without its ReLU; a layer that is nothing else becomes one that does nothing."""
    if isinstance(layer, keras.layers.ReLU):
        return keras.layers.Activation("linear", name=layer.name)
    return type(layer).from_config(layer.get_config() | {"activation": "linear"})
