"""Builds a model from the config of one from outside (Keras 2 or 3), which is data only once `plain_config` has run."""

import json
from copy import deepcopy
from typing import Any

from qatflow.backend import keras, tf
from qatflow.errors import ModelError
from qatflow.models.activations import SETTINGS, activation_name, renamed
from qatflow.models.allowed import CONTAINERS, LAYERS, OPERATORS, POLICIES, check_activation, check_class, subclassed
from qatflow.models.graph import OPERATOR, plain_graph
from qatflow.models.operators import FUNCTIONS, function_name
from qatflow.models.serving_form import PICTURES, serving_form

MAX_CONFIG_BYTES = 16 << 20
MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, tf.errors.OpError)
"""What Keras raises on a config that makes no sense."""
NEW_IN_KERAS_3 = frozenset(
    {"optional", "quantization_config", "renorm", "renorm_clipping", "synchronized", "rms_scaling"}
    | {"lora_rank", "lora_alpha", "input_axes", "output_axes", "use_gate", "sliding_window", "zero_output_for_mask"}
)
"""Settings that tf_keras lacks; left out where they are off."""
RENAMED = {("InputLayer", "batch_shape"): "batch_input_shape", ("LeakyReLU", "negative_slope"): "alpha"}
MEANINGLESS = frozenset({"renorm_momentum", "build_config", "shared_object_id"})
SEEDLESS = frozenset(
    {"LSTM", "GRU", "SimpleRNN", "Attention", "AdditiveAttention", "MultiHeadAttention", "Bidirectional"}
)
"""Layers whose dropout cannot be seeded in tf_keras."""
PICTURES_OF_KERAS_3 = {
    "antialias": False,
    "data_format": "channels_last",
    "pad_to_aspect_ratio": False,
    "fill_mode": "constant",
    "fill_value": 0.0,
}
"""Settings of theirs that tf_keras lacks, as they usually are; the last two fill what padding adds."""
LACKING: dict[str, dict[str, Any]] = {
    **dict.fromkeys(PICTURES, PICTURES_OF_KERAS_3),
    "ZeroPadding1D": {"data_format": "channels_last"},
}
"""Layers that have settings in Keras 3 which tf_keras lacks altogether, with what those usually are."""
SHAPES = ("query_shape", "key_shape", "value_shape")
"""Settings of tf_keras' MultiHeadAttention; where they are not known it builds itself when it is called."""
WRITTEN_BY_KERAS_3 = ("DTypePolicy", '"batch_shape"')
"""What is in every config of Keras 3 and in none of tf_keras."""


def plain_config(text: bytes | str, notes: list[str] | None = None) -> dict[str, Any]:
    """Parse a model's JSON config and return it in Keras 2's form, without any reference to code.

    Args:
        text: JSON.
        notes: Gets a sentence for each thing that is otherwise than there, see `serving_form`.

    Raises:
        ModelError: If it is no config of a Functional or Sequential model, or holds anything but built-in layers.
    """
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"its config has {len(text)} bytes; at most {MAX_CONFIG_BYTES} are read")
    try:
        text = text if isinstance(text, str) else text.decode()
        is_keras_3 = any(mark in text for mark in WRITTEN_BY_KERAS_3)
        given = json.loads(text)
        if (kind := given["class_name"]) in LAYERS:
            raise ModelError(f"it holds a {kind}, not a Functional or Sequential model")
        if str(kind) == kind and kind not in CONTAINERS:
            raise ModelError(subclassed(kind))
        served = serving_form(given, [] if notes is None else notes)
        config = renamed(_plain(served, "model"), is_keras_3=is_keras_3)
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
            wanted = container.from_config(deepcopy(config["config"])).count_params()  # some layers take it apart
        if wanted != elements:
            raise ModelError(f"its layers need {wanted} weights, it holds {elements}")
        return container.from_config(deepcopy(config["config"]))
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
    if _is_operator(node):
        plain = _plain_operator(kind, settings, name)
    else:
        check_class(name, kind, node.get("module"), node.get("registered_name"))
        if kind in POLICIES:
            return settings["name"]
        plain = {"class_name": kind, "config": _plain_settings(kind, settings, name)}
        if kind == "MultiHeadAttention":
            plain["config"] = _shapes(node.get("build_config", {}).get("shapes_dict", {})) | plain["config"]
    return plain | {key: node[key] for key in ("name", "inbound_nodes", "is_operator") if key in node}


def _shapes(known: dict[str, Any]) -> dict[str, list[int | None] | None]:
    found = {key: known.get(key) for key in SHAPES}
    is_plain = all(isinstance(shape, list) and {*map(type, shape)} <= {int, type(None)} for shape in found.values())
    return found if is_plain else dict.fromkeys(SHAPES)


def _is_operator(node: dict[str, Any]) -> bool:
    """Tell operators from layers of the same class name: Keras 3 says where they come from, except in `.h5`."""
    kind, module = node["class_name"], node.get("module")
    if kind in OPERATORS or str(module).startswith("keras.src.ops."):
        return True
    is_layer = "trainable" in node["config"] or kind in CONTAINERS or (kind in LAYERS and kind not in FUNCTIONS)
    return module is None and bool(node.get("inbound_nodes")) and not is_layer


def _plain_operator(kind: str, settings: dict[str, Any], name: str) -> dict[str, Any]:
    function = function_name(name, settings["function"] if kind in OPERATORS else kind)
    known = {"name", "trainable", "dtype", "function"}
    arguments = {key: value for key, value in settings.items() if key not in known}
    return {"class_name": OPERATOR, "config": {"name": name, "function": function, "arguments": arguments}}


def _without_lacking(plain: dict[str, Any], lacking: dict[str, Any], name: str) -> dict[str, Any]:
    """Leave out what tf_keras' layer does not know, where it says what that does anyway."""
    for key, usual in lacking.items():
        if plain.get(key, usual) != usual and key in {"antialias", "data_format", "pad_to_aspect_ratio"}:
            raise ModelError(f"layer '{name}' has {key}={plain[key]}, which is not known here; only {usual} is")
    return {key: value for key, value in plain.items() if key not in lacking}


def _plain_settings(kind: str, settings: dict[str, Any], name: str) -> dict[str, Any]:
    settings = settings | {key: activation_name(settings[key]) for key in SETTINGS if key in settings}
    for key in SETTINGS:
        check_activation(name, settings.get(key))
    if settings.get("stateful"):
        raise ModelError(f"layer '{name}' is stateful: what it gives for a sample depends on the samples before it")
    plain = {
        RENAMED.get((kind, key), key): _plain(value, name)
        for key, value in settings.items()
        if key not in MEANINGLESS and (value or key not in NEW_IN_KERAS_3)
    }
    if kind in LACKING:
        plain = _without_lacking(plain, LACKING[kind], name)
    if kind in SEEDLESS:
        plain.pop("seed", None)
    if kind == "InputLayer":
        plain["batch_input_shape"] = [None, *plain["batch_input_shape"][1:]]  # any batch: it is no part of a model
    return plain_graph(plain) if "input_layers" in plain else plain
