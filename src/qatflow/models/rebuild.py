"""Builds a model anew, layer by layer, so that layers can be renamed, replaced by others, or left out."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from qatflow.artifacts import Array
from qatflow.backend import keras, tf
from qatflow.errors import ModelError


class Part(NamedTuple):
    """A new layer and the arrays it gets, in the order of its `weights`."""

    layer: Any
    weights: list[Array]


Replace = Callable[[Any], Sequence[Part]]
"""What stands for a layer: new layers, one behind the other; none leaves the layer's first input as it is."""


def rebuild(model: keras.Model, replace: Replace, *, shared: bool = True) -> keras.Model:
    """Return a new Functional model in which `replace(layer)` stands for each layer; no model is inside it.

    Args:
        model: A Functional or built Sequential model, with others inside it if it likes. Stays as it is.
        replace: Is asked once for each layer object, so that layers called twice stay shared.
        shared: Whether layers without weights of their own stay shared too, or become one for each call.

    Raises:
        ModelError: If the model has no graph, because it is subclassed or knows no input shape.
    """
    if not holds_graph(model):
        raise ModelError(f"{model.name} is no Functional or Sequential model with a known input shape; build it first")
    inputs = [type(x.node.layer).from_config(x.node.layer.get_config()).output for x in model.inputs]
    memory = _Memory(replace, set() if shared else {layer.name for layer in model.layers})
    outputs = _inline(model, inputs, memory, {})
    rebuilt = keras.Model(*(x[0] if len(x) == 1 else x for x in (inputs, outputs)), name=model.name)
    for part in memory.parts():
        part.layer.set_weights(part.weights)
    return rebuilt


def copied(layer: Any, /, **changes: Any) -> Part:
    """Return a layer of the same class and config with the same weights.

    Args:
        layer: Built layer.
        changes: Settings that its config gets instead, such as `name`.

    Raises:
        ModelError: If its class cannot be built from its config, as custom ones may not.
    """
    weights = layer.get_weights()
    if isinstance(layer, keras.layers.Normalization) and weights:
        # Adapted statistics act through constants that `set_weights` leaves alone; settings survive every copy.
        changes |= {"mean": weights[0].tolist(), "variance": weights[1].tolist()}
        weights = []
    try:
        return Part(type(layer).from_config(layer.get_config() | changes), weights)
    except (TypeError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"layer '{layer.name}' is a {type(layer).__name__} that cannot be copied: {reason}") from None


def holds_graph(layer: Any) -> bool:
    """Tell whether a layer is a model whose calls between layers are known."""
    return isinstance(layer, keras.Model) and bool(getattr(layer, "inputs", None)) and bool(layer.outputs)


def is_stateless(layer: Any) -> bool:
    """Tell whether two copies of a layer do for good what the one does; adapted statistics are settings here."""
    return not layer.weights or isinstance(layer, keras.layers.Normalization)


def unique(name: str, taken: set[str]) -> str:
    """Return the name, with a running number where it is taken, and add it to `taken`."""
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


class _Memory:
    """Remembers what stands for each layer object; of layers without weights only if there are no names `taken`."""

    def __init__(self, replace: Replace, taken: set[str]) -> None:
        self._replace, self._taken = replace, taken
        self._chains: dict[int, Sequence[Part]] = {}

    def chain(self, layer: Any) -> Sequence[Part]:
        """Return what stands for a layer."""
        if id(layer) not in self._chains:
            self._chains[id(layer)] = self._replace(layer)
        elif self._taken and is_stateless(layer):
            return [copied(part.layer, name=unique(part.layer.name, self._taken)) for part in self._replace(layer)]
        return self._chains[id(layer)]

    def parts(self) -> list[Part]:
        """Return all new layers."""
        return [part for chain in self._chains.values() for part in chain]


def _inline(model: keras.Model, inputs: Sequence[Any], memory: _Memory, mode: Mapping[str, Any]) -> list[Any]:
    """Call on `inputs` what stands for the model's layers; `mode` is `training`, where the model was called with it."""
    new = dict(zip(map(id, model.inputs), inputs, strict=True))
    for node in _calls(model.outputs):
        if not node.is_input:
            args, kwargs = _mapped((node.call_args, node.call_kwargs), new)
            outputs = _call(node.layer, args, {**mode, **kwargs}, memory)
            new |= zip(map(id, tf.nest.flatten(node.outputs)), tf.nest.flatten(outputs), strict=True)
    return [new[id(x)] for x in model.outputs]


def _mapped(structure: Any, new: Mapping[int, Any]) -> Any:
    return tf.nest.map_structure(lambda x: new.get(id(x), x), structure)


def _call(layer: Any, args: Sequence[Any], kwargs: dict[str, Any], memory: _Memory) -> Any:
    if holds_graph(layer):
        mode = {key: kwargs[key] for key in ("training",) if kwargs.get(key) is not None}
        return _inline(layer, _listed(layer, args[0] if args else kwargs["inputs"]), memory, mode)
    chain = memory.chain(layer)
    if not chain:
        return tf.nest.flatten(args[0])[0]
    if "training" in kwargs and "training" not in inspect.signature(layer.call).parameters:
        del kwargs["training"]
    if kwargs.get("training") is False and isinstance(layer, keras.layers.BatchNormalization):
        chain[0].layer.trainable = False  # says the same, and survives rewriting that forgets how a layer was called
    outputs = chain[0].layer(*args, **kwargs)
    for part in chain[1:]:
        outputs = part.layer(outputs)
    return outputs


def _listed(model: keras.Model, inputs: Any) -> list[Any]:
    return [inputs[name] for name in model.input_names] if isinstance(inputs, dict) else tf.nest.flatten(inputs)


def _calls(outputs: Sequence[Any]) -> list[Any]:
    """Return the calls that `outputs` come from, each behind those it depends on. Deep models allow no recursion."""
    done: dict[int, Any] = {}
    stack = [x.node for x in reversed(outputs)]
    while stack:
        waiting = [node for node in stack[-1].parent_nodes if id(node) not in done]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            node = stack.pop()
            done[id(node)] = node
    return list(done.values())
