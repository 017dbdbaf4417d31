"""Activations: which a layer has, and those that Keras 3 has and tf_keras lacks or computes otherwise.

Importing this makes tf_keras know them.
"""

from typing import Any

from qatflow.backend import keras, tf


def hard_sigmoid_keras3(x: Any) -> Any:
    """Return `relu6(x + 3) / 6`, Keras 3's hard sigmoid; that of tf_keras is `clip(0.2 x + 0.5, 0, 1)`."""
    return tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def hard_swish(x: Any) -> Any:
    """Return `x relu6(x + 3) / 6` (Howard et al. 2019, *Searching for MobileNetV3*); TFLite has an operator for it."""
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


NEW = {"hard_sigmoid_keras3": hard_sigmoid_keras3, "hard_swish": hard_swish}
ALIASES = {"hard_silu": "hard_swish"}
CHANGED_IN_KERAS_3 = {"hard_sigmoid": "hard_sigmoid_keras3"}
SETTINGS = ("activation", "recurrent_activation")
"""Settings of layers that name an activation."""

keras.utils.get_custom_objects().update(NEW)


def activation_name(activation: Any) -> Any:
    """Return the name of one of `NEW`, which tf_keras writes as a function; anything else as it is."""
    is_new = isinstance(activation, dict) and activation.get("class_name") == "function"
    return activation["config"] if is_new and str(activation.get("config")) in NEW else activation


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation; `linear` if it has none. All that ask for it ask here.

    tf_keras writes a function that it does not know itself as a dict, and a layer given as activation too: that has no
    name among the activations, and `split` makes it a layer of the model.
    """
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return str(activation_name(layer.get_config().get("activation", "linear")))


def is_relu(layer: Any) -> bool:
    """Tell whether a layer is a ReLU or ReLU6 that TFLite can fuse into the operator before it."""
    if isinstance(layer, keras.layers.ReLU):
        settings = layer.get_config()
        top = settings["max_value"]  # an array of rank 0 where it was given as a number
        return (top is None or float(top) == 6) and not settings["negative_slope"] and not settings["threshold"]
    return isinstance(layer, keras.layers.Activation) and activation_of(layer) in {"relu", "relu6"}


def passes_on(layer: Any) -> bool:
    """Tell whether a layer is an Activation that leaves its input as it is."""
    return isinstance(layer, keras.layers.Activation) and activation_of(layer) == "linear"


def rectifies(layer: Any) -> bool:
    """Tell whether a layer ends in a ReLU without an upper bound."""
    return activation_of(layer) == "relu" or (is_relu(layer) and layer.get_config().get("max_value", 6) is None)


def renamed(config: Any, *, is_keras_3: bool) -> Any:
    """Return a plain config with the names that activations have here.

    Args:
        config: Nested dicts and lists.
        is_keras_3: Whether Keras 3 wrote it.
    """
    names = ALIASES | (CHANGED_IN_KERAS_3 if is_keras_3 else {})
    if isinstance(config, list):
        return [renamed(item, is_keras_3=is_keras_3) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: names.get(value, value)
        if key in SETTINGS and isinstance(value, str)
        else renamed(value, is_keras_3=is_keras_3)
        for key, value in config.items()
    }
