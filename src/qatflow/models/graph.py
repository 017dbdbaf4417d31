"""Reads which layer of a Functional model is called on which, in the forms of Keras 2 and Keras 3."""

from collections.abc import Mapping
from typing import Any

from qatflow.errors import ModelError

Reference = list[Any]
"""[layer name, which call of that layer, which of its outputs]"""


def plain_graph(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a Functional model with its calls as Keras 2 writes them.

    Raises:
        ModelError: If a layer is called on anything but outputs of layers, or on one that never comes to be.
    """
    layers = settings["layers"]
    firsts = {layer["name"]: _first_call(layer) for layer in layers}
    is_keras_3 = any(isinstance(call, dict) for layer in layers for call in layer["inbound_nodes"])
    shift = firsts if is_keras_3 else dict.fromkeys(firsts, 0)  # Keras 3 counts every layer's calls from 0
    calls = {
        layer["name"]: [_shifted(_sources(call, layer["name"]), shift) for call in layer["inbound_nodes"]]
        for layer in layers
    }
    _check_order(calls, firsts)
    return {
        **settings,
        "layers": [
            layer | {"inbound_nodes": [[[*source, {}] for source in call] for call in calls[layer["name"]]]}
            for layer in layers
        ],
        "input_layers": _shifted(_listed(settings["input_layers"]), shift),
        "output_layers": _shifted(_listed(settings["output_layers"]), shift),
    }


def _first_call(layer: Mapping[str, Any]) -> int:
    """Return the number of a layer's first call here: 1 for a model, which was called once on its own inputs."""
    inner = layer["config"].get("layers", [])
    return int(bool(inner) and inner[0]["class_name"] == "InputLayer")


def _sources(call: Any, name: str) -> list[Reference]:
    if isinstance(call, dict):
        (tensors,), extras = call["args"], [call["kwargs"]]
        sources = [item["config"]["keras_history"] for item in (tensors if isinstance(tensors, list) else [tensors])]
    else:
        sources, extras = [item[:3] for item in call], [item[3] for item in call if len(item) > 3]
    if any(value for extra in extras for value in extra.values()):
        raise ModelError(f"layer '{name}' is called with {extras!r:.100}; only calls on the outputs of layers are read")
    return sources


def _listed(references: list[Any]) -> list[Reference]:
    return [references] if isinstance(references[0], str) else references


def _shifted(references: list[Reference], shift: Mapping[str, int]) -> list[Reference]:
    return [[name, node + shift[name], tensor] for name, node, tensor in references]


def _check_order(calls: Mapping[str, list[list[Reference]]], firsts: Mapping[str, int]) -> None:
    """Check that all calls can be made one after another; Keras would wait for the others for ever."""
    made = dict(firsts)
    waiting = {name: list(nodes) for name, nodes in calls.items()}
    made |= {name: 1 for name, nodes in calls.items() if not nodes}
    progress = True
    while progress:
        progress = False
        for name, nodes in waiting.items():
            while nodes and all(node < made[source] for source, node, _ in nodes[0]):
                nodes.pop(0)
                made[name] += 1
                progress = True
    if left := [name for name, nodes in waiting.items() if nodes]:
        raise ModelError(f"layer '{left[0]}' is called on an output that never comes to be")
