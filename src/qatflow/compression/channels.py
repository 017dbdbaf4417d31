"""Follows channels through a model: which layer makes each, which multiply by it, and which must go together.

Each channel has a number. Layers that add two tensors make one channel of two numbers (a union); a Flatten repeats
numbers, a Concatenate puts them side by side. So every layer's weights can be cut by numbers alone. Fang et al.,
"DepGraph: Towards Any Structural Pruning", 2023, do the same with a graph of layers.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from qatflow.backend import keras
from qatflow.models.activations import activation_of

layers = keras.layers
Numbers = npt.NDArray[np.int64]

PRODUCERS = (layers.Conv1D, layers.Conv2D, layers.Dense)
"""Layers whose outputs are new channels, each made with its own part of the weights."""
PER_CHANNEL = (layers.DepthwiseConv1D, layers.DepthwiseConv2D, layers.BatchNormalization)
"""Layers with weights for each channel that they pass on."""
PASSING = (
    *(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU),
    *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.SpatialDropout1D, layers.SpatialDropout2D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.MaxPooling1D, layers.MaxPooling2D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.UpSampling1D, layers.UpSampling2D),
)
"""Layers without weights that treat each channel alone."""
MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a flat model, by numbers below `count`; those that must go together have one.

    Attributes:
        outputs: Layer -> numbers of its output's channels, (c,).
        inputs: Layer with weights -> numbers of its input's channels, (c,).
        locked: Numbers that must stay.
    """

    outputs: Mapping[str, Numbers]
    inputs: Mapping[str, Numbers]
    locked: Set[int]
    count: int


@dataclass
class _Found:
    """What is known on the way through a model, with a forest of numbers for unions."""

    outputs: dict[str, Numbers] = field(default_factory=dict)
    inputs: dict[str, Numbers] = field(default_factory=dict)
    locked: set[int] = field(default_factory=set)
    parents: list[int] = field(default_factory=list)

    def new(self, count: int) -> Numbers:
        """Return `count` new numbers."""
        first = len(self.parents)
        self.parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def unite(self, first: Numbers, second: Numbers) -> None:
        """Let numbers of equal positions go together."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            self.parents[self.root(other)] = self.root(one)

    def root(self, number: int) -> int:
        """Return the number that stands for all that go together with this one."""
        while self.parents[number] != number:
            self.parents[number] = number = self.parents[self.parents[number]]
        return number

    def settled(self) -> Channels:
        """Return the channels, each number as its root."""
        roots = np.array([self.root(number) for number in range(len(self.parents))], np.int64)
        outputs, inputs = ({name: roots[each] for name, each in held.items()} for held in (self.outputs, self.inputs))
        return Channels(outputs, inputs, set(roots[sorted(self.locked)].tolist()), len(roots))


def channels_of(model: keras.Model) -> Channels:
    """Return the channels of a flat model; those of layers that are not understood, or called twice, are locked."""
    found = _Found()
    for layer in model.layers:
        found.outputs[layer.name] = _numbers(layer, found)
    shared = [layer for layer in model.layers if len(layer.inbound_nodes) > 1]
    ends = [tensor for layer in shared for node in layer.inbound_nodes for tensor in _flat(node.keras_inputs)]
    for tensor in (*model.outputs, *ends):
        found.locked.update(found.outputs[tensor.node.layer.name].tolist())
    return found.settled()


def _numbers(layer: Any, found: _Found) -> Numbers:
    """Return the numbers of a layer's output."""
    if isinstance(layer, layers.InputLayer) or len(layer.inbound_nodes) > 1:
        return _locked(layer, [], found)
    sources = [found.outputs[tensor.node.layer.name] for tensor in _flat(layer.inbound_nodes[0].keras_inputs)]
    if type(layer) in PRODUCERS and getattr(layer, "groups", 1) == 1:
        found.inputs[layer.name] = sources[0]
        return found.new(int(layer.output_shape[-1]))
    return _passed(layer, sources, found)


def _passed(layer: Any, sources: list[Numbers], found: _Found) -> Numbers:
    count, first = layer.output_shape[-1], sources[0]
    if isinstance(layer, PER_CHANNEL) and len(first) == count and _last_axis(layer):
        found.inputs[layer.name] = first
        return first
    if isinstance(layer, PASSING) and activation_of(layer) != "softmax":
        return first
    if isinstance(layer, MERGING) and all(len(source) == count for source in sources):
        for source in sources[1:]:
            found.unite(first, source)
        return first
    if isinstance(layer, layers.Concatenate) and layer.axis in {-1, len(layer.output_shape) - 1}:
        return np.concatenate(sources)
    if isinstance(layer, layers.Flatten) or (isinstance(layer, layers.Reshape) and _keeps_channels(layer)):
        return np.tile(first, count // len(first))
    return _locked(layer, sources, found)


def _locked(layer: Any, sources: Sequence[Numbers], found: _Found) -> Numbers:
    shape = layer.output_shape[0] if isinstance(layer.output_shape, list) else layer.output_shape
    made = found.new(int(shape[-1] or 1))  # one for a number of channels that is not known
    found.locked.update(made.tolist(), *(source.tolist() for source in sources))
    return made


def _keeps_channels(layer: Any) -> bool:
    """Tell whether a Reshape leaves the last axis as it is, or makes all axes one."""
    return len(layer.output_shape) == 2 or layer.output_shape[-1] == layer.input_shape[-1]


def _last_axis(layer: Any) -> bool:
    return getattr(layer, "data_format", "channels_last") == "channels_last" and (
        not isinstance(layer, layers.BatchNormalization) or list(layer.axis) == [len(layer.output_shape) - 1]
    )


def _flat(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
