"""Narrows tfmot's quantization schemes to layers it can quantize; tfmot itself refuses a whole model for one other."""

from dataclasses import dataclass
from typing import Any

from qatflow.backend import keras
from qatflow.quantization.fold import normalizes

layers = keras.layers

FUSED = (layers.Conv2D, layers.DepthwiseConv2D)
"""Layers whose batch normalization the converter folds into their weights."""
ACTIVATIONS = frozenset({"linear", "relu", "softmax", "sigmoid", "tanh", "swish", "gelu"})
"""Inside convolutions and dense layers."""
STANDALONE = ACTIVATIONS - {"gelu"} | {"relu6"}
"""As a layer of their own."""


@dataclass(frozen=True)
class Scheme:
    """A tfmot scheme that passes over what tfmot or TFLite cannot quantize.

    What it passes over stays float in training and becomes int8 when the model is converted, as do the weights of a
    layer that reads it.

    Attributes:
        stock: The tfmot scheme.
        excluded: Layer classes to pass over although tfmot knows them.
    """

    stock: Any
    excluded: tuple[type, ...]

    def get_layout_transformer(self) -> Any:
        """Return the stock rewriting of the graph, such as of convolution, batch normalization and ReLU."""
        return self.stock.get_layout_transformer()

    def get_quantize_registry(self) -> "Scheme":
        """Return what knows the quantizers of a layer."""
        return self

    def supports(self, layer: keras.layers.Layer) -> bool:
        """Tell whether the layer has quantizers."""
        activation = layer.get_config().get("activation", "linear")
        names = STANDALONE if isinstance(layer, layers.Activation) else ACTIVATIONS
        fits = isinstance(activation, dict) or activation in names  # a dict is tfmot's own, put there while it rewrites
        return bool(fits and self._registry.supports(layer) and not isinstance(layer, self.excluded))

    def get_quantize_config(self, layer: keras.layers.Layer) -> Any:
        """Return the quantizers of a supported layer."""
        return self._registry.get_quantize_config(layer)

    def annotate(self, model: keras.Model) -> keras.Model:
        """Return a copy of the model in which layers to quantize are wrapped as tfmot wants them.

        No layer gets a quantize_config here: that would switch off the rewriting of the graph.
        """
        from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer

        chosen = {layer.name for layer in model.layers if self.supports(layer) or normalizes(layer, FUSED)}

        def wrap(layer: Any) -> Any:
            return quantize_annotate_layer(layer) if layer.name in chosen else layer

        return keras.models.clone_model(model, clone_function=wrap)

    @property
    def _registry(self) -> Any:
        return self.stock.get_quantize_registry()
