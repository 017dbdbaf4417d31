"""Chooses the layers that tfmot fake-quantizes. tfmot itself refuses a whole model for one layer it does not know."""

from dataclasses import dataclass
from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.quantization.fold import normalizes

layers = keras.layers

FUSED = (layers.Conv2D, layers.DepthwiseConv2D)
"""Layers whose batch normalization the converter folds into their weights."""
ACTIVATIONS = frozenset({"linear", "relu", "softmax", "sigmoid", "tanh", "swish", "gelu"})
"""Inside convolutions and dense layers."""
STANDALONE = ACTIVATIONS - {"gelu"} | {"relu6"}
"""As a layer of their own."""


@dataclass(frozen=True)
class Registry:
    """A tfmot registry (layer -> quantizers) that passes over what tfmot or TFLite cannot quantize.

    Attributes:
        stock: The registry of a tfmot scheme.
        excluded: Layer classes that stay float in training.
    """

    stock: Any
    excluded: tuple[type, ...]

    def supports(self, layer: keras.layers.Layer) -> bool:
        """Tell whether the layer gets fake-quants."""
        activation = layer.get_config().get("activation", "linear")
        known = STANDALONE if isinstance(layer, layers.Activation) else ACTIVATIONS
        fits = isinstance(activation, dict) or activation in known  # a dict is tfmot's own, put there while it rewrites
        return fits and self.stock.supports(layer) and not isinstance(layer, self.excluded)

    def get_quantize_config(self, layer: keras.layers.Layer) -> Any:
        """Return the quantizers of a supported layer."""
        return self.stock.get_quantize_config(layer)


@dataclass(frozen=True)
class Scheme:
    """A tfmot scheme with another registry."""

    stock: Any
    registry: Registry

    def get_layout_transformer(self) -> Any:
        """Return the stock rewriting of the graph, such as of convolution, batch normalization and ReLU."""
        return self.stock.get_layout_transformer()

    def get_quantize_registry(self) -> Registry:
        """Return the registry."""
        return self.registry


def annotate(model: keras.Model, registry: Registry) -> keras.Model:
    """Return a copy of the model in which layers to quantize are wrapped as tfmot wants them.

    No layer gets a quantize_config of its own: that would switch off tfmot's fusing of convolution, batch
    normalization and ReLU.
    """
    from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer

    chosen = {layer.name for layer in model.layers if registry.supports(layer) or normalizes(layer, FUSED)}
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())

    def wrap(layer: Any) -> Any:
        return quantize_annotate_layer(layer) if layer.name in chosen else layer

    return keras.models.clone_model(copy, clone_function=wrap)


def check_flat(model: keras.Model) -> None:
    """Check that every layer is a plain one that is called once.

    Raises:
        ModelError: If the model holds other models, or calls a layer more than once.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ModelError(
                f"{model.name} holds the model '{layer.name}'; quantization-aware training needs one flat model. "
                "Post-training strategies such as ptq_w8a8 take it as it is."
            )
        if len(layer.inbound_nodes) > 1:
            raise ModelError(f"{model.name} calls layer '{layer.name}' more than once; tfmot cannot quantize that")
