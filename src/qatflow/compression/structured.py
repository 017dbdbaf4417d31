"""Structured pruning: whole branches and channels go, so that the model becomes smaller and faster in any runtime."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression.base import Compression, Promises, counted
from qatflow.compression.branches import shallower
from qatflow.compression.channels import PRODUCERS, Channels, channels_of
from qatflow.compression.cost import Keep, multiply_accumulates, sides
from qatflow.compression.importance import importances
from qatflow.data.prepared import PreparedData
from qatflow.errors import ParamsError
from qatflow.models.kernels import KERNELS
from qatflow.models.rebuild import Part, copied, rebuild

layers = keras.layers
Importance = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Structured(Compression):
    """Fewer branches and channels: those go that the loss depends on least for the multiply-accumulates they cost."""

    trains_float: ClassVar[bool] = True

    def shrink(self, model: keras.Model, data: PreparedData) -> keras.Model:
        """Return the model without `settings.branches`, and the share `settings.channels` of its multiply-accumulates.

        Raises:
            ParamsError: If so many cannot go; the message says how many can.
        """
        settings, whole = self.settings, multiply_accumulates(model)
        model = shallower(model, settings.branches, data)
        channels = channels_of(model)
        importance = importances(model, channels, data)
        keep = choose(model, channels, importance, settings.channels, settings.multiple_of, whole)
        return cut(model, channels, keep)

    def promises(self, model: keras.Model) -> Promises:
        """Return the number of weights of each layer; of one that is called several times nothing was cut, and the
        converter forgets its name."""
        return counted(layer for layer in model.layers if type(layer) in KERNELS and len(layer.inbound_nodes) == 1)


def choose(
    model: keras.Model, channels: Channels, importance: Importance, share: float, multiple: int, whole: int
) -> Keep:
    """Return which channels stay: the least important for what they cost go, `multiple` of a group at a time.

    Args:
        model: Flat.
        channels: Of the model.
        importance: By number, (channels.count,).
        share: Of `whole` that must be gone, from 0 to 1.
        multiple: Channels that go at once; a group keeps at least one step.
        whole: Multiply-accumulates of the model, and of what is gone from it already.

    Raises:
        ParamsError: If fewer can go.
    """
    keep: Keep = np.ones(channels.count, bool)
    now = multiply_accumulates(model, channels, keep)
    groups = [sorted(group, key=lambda number: importance[number]) for group in groups_of(channels)]
    while now > (1 - share) * whole:
        offers = []
        for group in (group for group in groups if len(group) > multiple):
            without = keep.copy()
            without[group[:multiple]] = False
            cost = multiply_accumulates(model, channels, without)
            offers.append((importance[group[:multiple]].sum() / max(1, now - cost), cost, without))
        if not offers:
            raise ParamsError(
                f"quantize.compression.channels is {share}, but only {1 - now / whole:.2f} of the "
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


def cut(model: keras.Model, channels: Channels, keep: Keep) -> keras.Model:
    """Return a flat model with only the channels of `keep`."""

    def replace(layer: Any) -> Sequence[Part]:
        if layer.name in channels.inputs:
            return [_cut(layer, *sides(layer, channels, keep))]
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
