"""Marks the layers of a model that tfmot can quantize. tfmot itself refuses a whole model for one unknown layer."""

from typing import Any

from qatflow.backend import keras
from qatflow.errors import ModelError

layers = keras.layers

FUSED = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
"""Layers whose batch normalization tfmot folds into them."""
ACTIVATIONS = frozenset({"linear", "relu", "softmax", "sigmoid", "tanh", "swish", "gelu"})
"""Inside convolutions and dense layers."""
STANDALONE = ACTIVATIONS - {"gelu"} | {"relu6"}
"""As a layer of their own."""


def annotate(model: keras.Model, registry: Any) -> keras.Model:
    """Return a copy of the model in which layers to quantize are wrapped as tfmot wants them.

    No layer gets a quantize_config of its own: that would switch off tfmot's fusing of convolution, batch
    normalization and ReLU.

    Raises:
        ModelError: If the model holds other models, or calls a layer more than once.
    """
    from tensorflow_model_optimization.quantization.keras import quantize_annotate_layer

    _check_flat(model)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    inputs = {layer.name: _input_layer(layer) for layer in copy.layers}

    def wrap(layer: Any) -> Any:
        return quantize_annotate_layer(layer) if _is_quantizable(layer, inputs[layer.name], registry) else layer

    return keras.models.clone_model(copy, clone_function=wrap)


def _check_flat(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ModelError(
                f"{model.name} holds the model '{layer.name}'; quantization-aware training needs one flat model. "
                "Post-training strategies such as ptq_w8a8 take it as it is."
            )
        if len(layer.inbound_nodes) > 1:
            raise ModelError(f"{model.name} calls layer '{layer.name}' more than once; tfmot cannot quantize that")


def _input_layer(layer: Any) -> Any:
    """Return the one layer whose output this layer is called on; None if there are none or several."""
    node = layer.inbound_nodes[0] if layer.inbound_nodes else None
    return None if node is None or isinstance(node.inbound_layers, list) else node.inbound_layers


def _is_quantizable(layer: Any, before: Any, registry: Any) -> bool:
    activation = layer.get_config().get("activation", "linear")
    if isinstance(layer, layers.Activation):
        return activation in STANDALONE
    if isinstance(layer, layers.BatchNormalization):
        return isinstance(before, FUSED) and before.get_config()["activation"] == "linear"
    return registry.supports(layer) and activation in ACTIVATIONS
