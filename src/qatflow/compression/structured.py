"""Structured pruning: whole channels go, so that the model becomes smaller and faster in any runtime."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression.base import Compression, Promises, counted
from qatflow.compression.channels import PRODUCERS, Channels, channels_of
from qatflow.compression.importance import importances
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.models.kernels import KERNELS, kernel_of
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers
Keep = npt.NDArray[np.bool_]
"""Whether a channel stays, by its number."""
Importance = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Structured(Compression):
    """Fewer channels: those go that the loss depends on least for the multiply-accumulates they cost."""

    trains_float: ClassVar[bool] = True

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:
        """Return the model without the share `settings.channels` of its multiply-accumulates.

        Raises:
            ParamsError: If so many cannot go; the message says how many can.
        """
        channels, settings = channels_of(model), self.settings
        importance = importances(model, channels, data)
        return cut(model, channels, choose(model, channels, importance, settings.channels, settings.multiple_of))

    def promises(self, model: keras.Model) -> Promises:
        """Return the number of weights of each layer."""
        return counted(layer for layer in model.layers if type(layer) in KERNELS)


def choose(model: keras.Model, channels: Channels, importance: Importance, share: float, multiple: int) -> Keep:
    """Return which channels stay: the least important for what they cost go, `multiple` of a group at a time.

    Args:
        model: Flat.
        channels: Of the model.
        importance: By number, (channels.count,).
        share: Of the multiply-accumulates that must go, from 0 to 1.
        multiple: Channels that go at once; a group keeps at least one step.

    Raises:
        ParamsError: If fewer can go.
    """
    keep: Keep = np.ones(channels.count, bool)
    before = now = multiply_accumulates(model, channels, keep)
    groups = [sorted(group, key=lambda number: importance[number]) for group in groups_of(channels)]
    while now > (1 - share) * before:
        offers = []
        for group in (group for group in groups if len(group) > multiple):
            without = keep.copy()
            without[group[:multiple]] = False
            cost = multiply_accumulates(model, channels, without)
            offers.append((importance[group[:multiple]].sum() / max(1, now - cost), cost, without))
        if not offers:
            raise ParamsError(
                f"quantize.compression.channels is {share}, but only {1 - now / before:.2f} of the "
                f"multiply-accumulates can go, with channels in steps of {multiple}; ask for less, or for smaller steps"
            )
        _, now, keep = min(offers, key=lambda offer: offer[0])
        groups = [[number for number in group if keep[number]] for group in groups]
    return keep


def groups_of(channels: Channels) -> list[list[int]]:
    """Return the channels that may go, those of the same layers in one group."""
    holders: dict[int, list[str]] = defaultdict(list)
    for name, numbers in channels.outputs.items():
        for number in sorted(set(numbers.tolist()) - channels.locked):
            holders[number].append(name)
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, names in holders.items():
        groups[tuple(names)].append(number)
    return list(groups.values())


def multiply_accumulates(model: keras.Model, channels: Channels, keep: Keep) -> int:
    """Return the multiply-accumulates of one sample in convolutions and dense layers, with the channels of `keep`."""
    return sum(_cost(layer, channels, keep) for layer in model.layers if type(layer) in KERNELS)


def _cost(layer: Any, channels: Channels, keep: Keep) -> int:
    positions = int(np.prod(layer.output_shape[1:-1]))
    if layer.name not in channels.inputs:  # stays as it is
        return positions * int(np.prod(kernel_of(layer).shape))
    inputs, outputs = _sides(layer, channels, keep)
    area = int(np.prod(getattr(layer, "kernel_size", 1)))
    return positions * area * int(outputs.sum()) * (int(inputs.sum()) if type(layer) in PRODUCERS else 1)


def _sides(layer: Any, channels: Channels, keep: Keep) -> tuple[Keep, Keep]:
    """Return which input and output channels of a layer with weights stay."""
    return keep[channels.inputs[layer.name]], keep[channels.outputs[layer.name]]


def cut(model: keras.Model, channels: Channels, keep: Keep) -> keras.Model:
    """Return a flat model with only the channels of `keep`."""

    def replace(layer: Any) -> Sequence[Part]:
        if layer.name in channels.inputs:
            return [_cut(layer, *_sides(layer, channels, keep))]
        if isinstance(layer, layers.Reshape):
            kept = int(keep[channels.outputs[layer.name]].sum())
            return [copied(layer, target_shape=(*layer.output_shape[1:-1], kept))]
        return [copied(layer)]

    return rebuild(model, replace)


def _cut(layer: Any, inputs: Keep, outputs: Keep) -> Part:
    weights: list[Array] = layer.get_weights()
    count = int(outputs.sum())
    if type(layer) not in PRODUCERS:
        return Part(copied(layer).layer, [each[..., inputs, :] if each.ndim > 1 else each[outputs] for each in weights])
    size = {"units": count} if isinstance(layer, layers.Dense) else {"filters": count}
    kernel, *bias = weights
    return Part(copied(layer, **size).layer, [kernel[..., inputs, :][..., outputs], *(each[outputs] for each in bias)])
