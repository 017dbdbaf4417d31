"""Builds a model from the config of one from outside (Keras 2 or 3), which is data only once `plain_config` has run."""

import json
from typing import Any

from qatflow.backend import keras, tf
from qatflow.errors import ModelError
from qatflow.models.allowed import CONTAINERS, POLICIES, check_activation, check_class
from qatflow.models.graph import plain_graph

MAX_CONFIG_BYTES = 16 << 20
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, tf.errors.OpError)
"""What Keras raises on a config that makes no sense."""
NEW_IN_KERAS_3 = frozenset(
    {"optional", "quantization_config", "renorm", "renorm_clipping", "synchronized", "rms_scaling"}
    | {"lora_rank", "lora_alpha", "input_axes", "output_axes"}
)
"""Settings that tf_keras lacks; left out where they are off."""
RENAMED = {("InputLayer", "batch_shape"): "batch_input_shape", ("LeakyReLU", "negative_slope"): "alpha"}
MEANINGLESS = frozenset({"renorm_momentum", "build_config", "shared_object_id"})


def plain_config(text: bytes | str) -> dict[str, Any]:
    """Parse a model's JSON config and return it in Keras 2's form, without any reference to code.

    Raises:
        ModelError: If it is no config of a Functional or Sequential model, or holds anything but built-in layers.
    """
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"its config has {len(text)} bytes; at most {MAX_CONFIG_BYTES} are read")
    try:
        config = _plain(json.loads(text), "model")
        if config["class_name"] not in CONTAINERS:
            raise ModelError(f"it holds a {config['class_name']}, not a Functional or Sequential model")
    except MALFORMED as error:
        raise ModelError(f"its config is malformed: {error!r:.200}") from None
    return dict(config)


def build_from_config(config: dict[str, Any], elements: int) -> keras.Model:
    """Build the model of a plain config, with fresh weights.

    Args:
        config: What `plain_config` returned.
        elements: Numbers that all its weights have together. A graph is built first, which allocates nothing, so that
            a config that asks for more is refused before it can fill the memory.

    Raises:
        ModelError: If the config makes no sense, or its weights would have another size.
    """
    container = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
    try:
        with tf.Graph().as_default() as graph:
            graph.seed = 0  # dropout asks for one
            wanted = container.from_config(config["config"]).count_params()
        if wanted != elements:
            raise ModelError(f"its layers need {wanted} weights, it holds {elements}")
        return container.from_config(config["config"])
    except MALFORMED as error:
        raise ModelError(f"its config does not describe a model: {error!r:.300}") from None


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if not isinstance(value, dict):
        return value
    return _plain_object(value, where) if "class_name" in value else {k: _plain(v, where) for k, v in value.items()}


def _plain_object(node: dict[str, Any], where: str) -> Any:
    kind, settings = node["class_name"], node["config"]
    name = str(settings.get("name", where))
    check_class(name, kind, node.get("module"), node.get("registered_name"))
    if kind in POLICIES:
        return settings["name"]
    plain = {"class_name": kind, "config": _plain_settings(kind, settings, name)}
    return plain | {key: node[key] for key in ("name", "inbound_nodes") if key in node}


def _plain_settings(kind: str, settings: dict[str, Any], name: str) -> dict[str, Any]:
    check_activation(name, settings.get("activation"))
    plain = {
        RENAMED.get((kind, key), key): _plain(value, name)
        for key, value in settings.items()
        if key not in MEANINGLESS and (value or key not in NEW_IN_KERAS_3)
    }
    return plain_graph(plain) if "input_layers" in plain else plain
