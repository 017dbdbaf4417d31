"""Reads which layer of a Functional model is called on which, in the forms of Keras 2 and Keras 3."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qatflow.errors import ModelError
from qatflow.models.operators import as_layer, is_reference

Reference = list[Any]
"""[layer name, which call of that layer, which of its outputs]"""
OPERATOR = "Operator"
"""Class that operators between tensors have in a plain config until their calls are read."""
ATTENTION = ("Attention", "AdditiveAttention", "MultiHeadAttention")
POSITIONS = {"MultiHeadAttention": ("query", "value", "key"), OPERATOR: ("x", "y"), "getitem": ("x", "key")}
"""Names of positional arguments; most layers have one only."""


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        operands: What it is called on: references, for operators also numbers.
        options: Keyword arguments: references, numbers, lists of them.
    """

    operands: list[Any]
    options: dict[str, Any]

    def references(self) -> Iterator[Reference]:
        """Yield all that the call depends on."""
        yield from filter(is_reference, (*self.operands, *self.options.values()))

    def shifted(self, shift: Mapping[str, int]) -> "Call":
        """Return the call with other numbers of the calls it depends on."""
        options = {key: _shifted(value, shift) for key, value in self.options.items()}
        return Call([_shifted(value, shift) for value in self.operands], options)


def plain_graph(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a Functional model with its calls as Keras 2 writes them.

    Raises:
        ModelError: If a layer is called on anything but outputs of layers, or on one that never comes to be.
    """
    layers = _without_masks(settings["layers"])
    firsts = {layer["name"]: _first_call(layer) for layer in layers}
    is_keras_3 = any(isinstance(call, dict) for layer in layers for call in layer["inbound_nodes"])
    shift = firsts if is_keras_3 else dict.fromkeys(firsts, 0)  # Keras 3 counts every layer's calls from 0
    counted = {layer["name"] for layer in layers if layer["class_name"] == "Functional"}
    calls = {layer["name"]: [_read(call, layer).shifted(shift) for call in layer["inbound_nodes"]] for layer in layers}
    _check_order(calls, firsts)
    return {
        **settings,
        "layers": [_written(layer, calls[layer["name"]]) for layer in layers],
        "input_layers": [_shifted(source, shift) for source in _listed(settings["input_layers"])],
        "output_layers": [_ending(source, shift, counted) for source in _listed(settings["output_layers"])],
    }


def _first_call(layer: Mapping[str, Any]) -> int:
    """Return the number of a layer's first call here: 1 for a model, which was called once on its own inputs."""
    inner = layer["config"].get("layers", [])
    return int(bool(inner) and inner[0]["class_name"] == "InputLayer")


def _without_masks(layers: list[Any]) -> list[Any]:
    """Leave out the comparisons by which Keras 3 writes the mask of an Embedding; tf_keras makes it anew."""
    embeddings = [layer for layer in layers if layer["config"].get("mask_zero")]
    ids = [_tensors(call["args"]) for layer in embeddings for call in layer["inbound_nodes"] if isinstance(call, dict)]
    masks = [[layer["name"], 0, 0] for layer in layers if _is_mask(layer, ids)]
    kept = [layer for layer in layers if [layer["name"], 0, 0] not in masks]
    return [layer | {"inbound_nodes": [_unmasked(call, masks) for call in layer["inbound_nodes"]]} for layer in kept]


def _is_mask(layer: Mapping[str, Any], ids: list[list[Reference]]) -> bool:
    args = [_tensors(call["args"]) for call in layer["inbound_nodes"] if isinstance(call, dict)]
    is_comparison = layer["config"].get("function") == "not_equal" and len(args) == 1
    return is_comparison and args[0][:1] in ids and args[0][1:] == [0]


def _unmasked(call: Any, masks: list[Reference]) -> Any:
    if not isinstance(call, dict):
        return call
    kept = {k: v for k, v in call["kwargs"].items() if not k.endswith("mask") or _tensors(v) not in masks}
    return {**call, "kwargs": kept}


def _read(call: Any, layer: Mapping[str, Any]) -> Call:
    first, options = _read_keras_3(call, layer) if isinstance(call, dict) else _read_keras_2(call)
    if options.get("training", False) is not False:
        raise ModelError(f"layer '{layer['name']}' is called with training={options['training']}, which is not read")
    kept = {
        key: value for key, value in options.items() if value is not None and (value is not False or key == "training")
    }
    operands = first if isinstance(first, list) and not is_reference(first) else [first]
    if layer["class_name"] == OPERATOR:
        return Call([*operands, *([kept.pop("y")] if "y" in kept else [])], kept)
    known = {"value", "key"} if layer["class_name"] in ATTENTION else set()
    flags = {"use_causal_mask", "training"} if known else {"training"}
    tensors = [*operands, *(x for key, x in kept.items() if key not in flags)]
    are_flags = all(isinstance(kept[key], bool) for key in flags & kept.keys())
    if not all(map(is_reference, tensors)) or not kept.keys() <= known | flags or not are_flags:
        raise ModelError(f"layer '{layer['name']}' is called with {kept!r:.100}; only outputs of layers are read")
    return Call(operands, kept)


def _read_keras_3(call: Mapping[str, Any], layer: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    kind = layer.get("class_name")
    names = POSITIONS.get(layer["config"].get("function"), POSITIONS.get(str(kind), ("inputs",)))
    args = [_tensors(value) for value in call["args"]]
    options = dict(zip(names, args, strict=False)) | {key: _tensors(value) for key, value in call["kwargs"].items()}
    if len(args) > len(names):
        raise ModelError(f"layer '{layer['name']}' is called with {len(args)} arguments; {len(names)} are read")
    return options.pop(names[0]), options


def _read_keras_2(call: Any) -> tuple[Any, dict[str, Any]]:
    items = [call] if isinstance(call[0], str) else call
    options = {key: value for item in items for extra in item[3:] for key, value in extra.items() if key != "name"}
    operands = [item[2] if item[0] == "_CONSTANT_VALUE" else list(item[:3]) for item in items]
    return operands if len(operands) > 1 else operands[0], options


def _tensors(value: Any) -> Any:
    if isinstance(value, list):
        return [_tensors(item) for item in value]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return value["config"]["keras_history"]
    return value


def _written(layer: Mapping[str, Any], calls: list[Call]) -> dict[str, Any]:
    if layer["class_name"] != OPERATOR:
        return {**layer, "inbound_nodes": [[[*x, call.options] for x in call.operands] for call in calls]}
    (call,) = calls
    settings = dict(layer["config"])
    kind, new, options = as_layer(
        layer["name"], settings.pop("function"), call.operands, settings.pop("arguments") | call.options
    )
    sources = [[*x, options] for x in call.operands if is_reference(x)]
    node: Any = sources[0] if kind.endswith("OpLambda") else sources
    written = {"class_name": kind, "name": layer["name"], "config": settings | new, "inbound_nodes": [node]}
    return written | {"is_operator": True}  # it has no place among the weights


def _listed(references: list[Any]) -> list[Reference]:
    return [references] if isinstance(references[0], str) else references


def _shifted(value: Any, shift: Mapping[str, int]) -> Any:
    return [value[0], value[1] + shift[value[0]], value[2]] if is_reference(value) else value


def _ending(source: Reference, shift: Mapping[str, int], counted: set[str]) -> Reference:
    """Return an output of the model; there, and there alone, Keras 3 counts the first call of a Functional model."""
    return source if source[0] in counted and source[1] else _shifted(source, shift)


def _check_order(calls: Mapping[str, list[Call]], firsts: Mapping[str, int]) -> None:
    """Check that all calls can be made one after another; Keras would wait for the others for ever."""
    made = dict(firsts)
    waiting = {name: list(nodes) for name, nodes in calls.items()}
    made |= {name: 1 for name, nodes in calls.items() if not nodes}
    progress = True
    while progress:
        progress = False
        for name, nodes in waiting.items():
            while nodes and all(node < made[source] for source, node, _ in nodes[0].references()):
                nodes.pop(0)
                made[name] += 1
                progress = True
    if left := [name for name, nodes in waiting.items() if nodes]:
        raise ModelError(f"layer '{left[0]}' is called on an output that never comes to be")
