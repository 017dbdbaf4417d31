"""Residual branches: f of x + f(x), which can go as a whole, so that the model becomes shallower.

In a small net they are the cheaper cut: the widest branch of ResNet-8 has 38 % of its multiply-accumulates and 6 % of
its weights, where channels for as much have two thirds of them. See Veit et al., "Residual Networks Behave Like
Ensembles of Relatively Shallow Networks", 2016, and docs/compression.md for figures.
"""

from typing import Any

import numpy as np

from qatflow.backend import keras, tf
from qatflow.compression.cost import multiply_accumulates
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.models.activations import is_relu, rectifies
from qatflow.models.rebuild import copied, rebuild
from qatflow.training.losses import loss_of

SAMPLES, BATCH_SIZE = 1024, 256
Branch = frozenset[str]
"""The names of what goes: f's layers, the layer that adds x and f(x), and those that would rectify x again."""


def branches_of(model: keras.Model) -> list[Branch]:
    """Return the branches of a flat model that can go: nothing else reads inside f, which comes from x alone."""
    found = []
    for layer in model.layers:
        if type(layer) is keras.layers.Add and len(sources := _sources(layer)) == 2:
            for x, f in (sources, sources[::-1]):
                inside = _between(x, f)
                if inside and x.output_shape == layer.output_shape and not _read_elsewhere(inside, layer, model):
                    found.append(Branch(each.name for each in (*inside, layer, *_repeated(x, layer))))
    return found


def without(model: keras.Model, branch: Branch) -> keras.Model:
    """Return a flat model that has x in place of a branch's x + f(x)."""
    return rebuild(model, lambda layer: [] if layer.name in branch else [copied(layer)])


def shallower(model: keras.Model, count: int, data: PreparedData) -> keras.Model:
    """Return a flat model without `count` of its branches: those the loss depends on least for what they cost.

    The loss is measured anew without each branch that is left: this is no small change that a gradient could foretell.

    Raises:
        ParamsError: If the model has fewer branches.
    """
    for gone in range(count):
        offers = [without(model, branch) for branch in branches_of(model)]
        if not offers:
            raise ParamsError(
                f"quantize.compression.branches is {count}, but only {gone} can go from this model: f of x + f(x), "
                f"where nothing else reads what is inside f; ask for {gone}"
            )
        loss, cost = _loss(model, data), multiply_accumulates(model)
        for_each = [(_loss(offer, data) - loss) / max(1, cost - multiply_accumulates(offer)) for offer in offers]
        model = offers[int(np.argmin(for_each))]
    return model


def _sources(layer: Any) -> list[Any]:
    """Return the layers that a layer reads; none of one that is called several times, whose calls differ."""
    nodes = layer.inbound_nodes
    return [tensor.node.layer for tensor in tf.nest.flatten(nodes[0].keras_inputs)] if len(nodes) == 1 else []


def _between(x: Any, f: Any) -> list[Any]:
    """Return the layers from which f's end comes, if all of them come from x; else none."""
    inside, waiting = [], [f]
    while waiting:
        layer = waiting.pop()
        if layer is x or layer in inside:
            continue
        if not _sources(layer):
            return []
        inside.append(layer)
        waiting += _sources(layer)
    return inside


def _read_elsewhere(inside: list[Any], end: Any, model: keras.Model) -> bool:
    """Tell whether anything but those layers and `end` reads what they give."""
    readers = [node.layer for layer in inside for node in layer.outbound_nodes]
    return any(reader not in (*inside, end) for reader in readers) or any(
        layer.name in model.output_names for layer in inside
    )


def _repeated(x: Any, end: Any) -> list[Any]:
    """Return the ReLUs behind `end` where x is rectified: an int8 kernel of their own, which costs what was gained."""
    readers = [node.layer for node in end.outbound_nodes]
    return [reader for reader in readers if rectifies(x) and _repeats(reader)]


def _repeats(reader: Any) -> bool:
    """Tell whether a layer is nothing but a ReLU, and called once."""
    return is_relu(reader) and rectifies(reader) and bool(_sources(reader))


def _loss(model: keras.Model, data: PreparedData) -> float:
    """Return a model's mean loss over the first training samples."""
    x, y = data.train.arrays(limit=SAMPLES)
    loss = keras.losses.get(loss_of(data.task, model.output_shape[-1]))
    answers = model.predict(x, batch_size=BATCH_SIZE, verbose=0)
    return float(np.mean(loss(x if data.task == "anomaly" else y, answers)))
