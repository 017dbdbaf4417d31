"""Keeps TFLite's converter from folding scales into kernels off their grids: folds them here, or gives them operators.

The converter folds a factor into the kernel that reads its result, behind our back: the fake-quant that was planned for
the kernel as it is then rounds `kernel * factor`, for pixels scaled by 1/255 to nothing but zeros. So a factor is
either *absorbed*: the kernel and its steps are multiplied, every weight keeps its q, and the bias takes the offset. Or,
where that is not exact (an offset under zero padding, a factor for each channel), its result has a grid of its own, and
the device computes it as a depthwise 1x1 convolution: one operator with one rounding, the factor of each channel exact
on a step of its own and the offset in 32 bits. MUL and ADD would round twice, and keep the factors of all channels on
one 8-bit grid, where those of the smaller ones vanish. Batch normalization behind no kernel becomes such an operator
too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.models.kernels import KERNELS, columns, kernel_of
from qatflow.models.rebuild import Part, copied, rebuild, unique
from qatflow.quantization.affine import numbers_of
from qatflow.quantization.grid import on_grid
from qatflow.quantization.wiring import PASSING, fuses_into_reader

layers = keras.layers

PADDING = (layers.ZeroPadding1D, layers.ZeroPadding2D)
AFFINE_BITS = 8
"""Of the factors that are computed by an operator of their own; each is the end of its channel's grid."""


class Scale(NamedTuple):
    """y = factor * x + offset, by numbers."""

    factor: float
    offset: float


def absorbed(model: keras.Model) -> dict[str, Scale]:
    """Return the Rescalings of a flat model that all of their readers can absorb, by name.

    They have one positive factor and one offset, and only kernels read them, perhaps through layers that move values;
    an offset only kernels that no zeros are padded for.
    """
    found = {}
    for layer in model.layers:
        if isinstance(layer, layers.Rescaling) and (scale := _scalar(layer)) is not None:
            ends = list(_ends(model, layer, offset=scale.offset != 0))
            if ends and all(end is not None for end in ends):
                found[layer.name] = scale
    return found


def _scalar(layer: Any) -> Scale | None:
    factor, offset = numbers_of(layer)
    if factor.size > 1 or offset.size > 1 or factor <= 0:
        return None
    return Scale(float(factor.reshape(())), float(offset.reshape(())))


def _ends(model: keras.Model, layer: Any, *, offset: bool) -> Iterator[Any]:
    """Yield the kernels that read a layer; None for each reader that cannot absorb what it does."""
    if layer.name in model.output_names or len(layer.inbound_nodes) != 1:
        yield None
        return
    for reader in (node.layer for node in layer.outbound_nodes):
        if type(reader) in KERNELS:
            yield reader if len(reader.inbound_nodes) == 1 and not (offset and _pads(reader)) else None
        elif isinstance(reader, PASSING) and not (offset and isinstance(reader, PADDING)):
            yield from _ends(model, reader, offset=offset)
        else:
            yield None


def _pads(layer: Any) -> bool:
    return getattr(layer, "padding", "valid") != "valid" and any(size > 1 for size in layer.kernel_size)


def scales_of_kernels(model: keras.Model) -> dict[str, Scale]:
    """Return the scale that each kernel of a flat model absorbs, by the kernel's layer."""
    return {
        end.name: scale
        for name, scale in absorbed(model).items()
        for end in _ends(model, model.get_layer(name), offset=scale.offset != 0)
    }


def settle(model: keras.Model, grids: Mapping[str, tuple[Array, int]]) -> keras.Model:
    """Return a flat model that computes the same with scales in kernels, or as operators of their own.

    Args:
        model: Float model, without batch normalization behind kernels; any other becomes an operator too.
        grids: Kernel -> steps and bits, where the model computes with kernels on grids; empty for a float model.
    """
    gone, scales = absorbed(model), scales_of_kernels(model)
    taken = {layer.name for layer in model.layers}

    def replace(layer: Any) -> Sequence[Part]:
        if layer.name in gone:
            return []
        if layer.name in scales:
            return [_absorbing(layer, scales[layer.name], grids.get(layer.name))]
        return _operator(layer, taken) if _has_operator(layer) else [copied(layer)]

    return rebuild(model, replace)


def _absorbing(layer: Any, scale: Scale, grid: tuple[Array, int] | None) -> Part:
    kernel, seen = kernel_of(layer).numpy(), columns(layer)
    part = copied(layer, use_bias=layer.use_bias or scale.offset != 0)
    weights = [kernel * np.float32(scale.factor)]
    if layer.use_bias or scale.offset != 0:
        sums = (seen if grid is None else on_grid(seen, *grid)).sum(axis=0, dtype=np.float64)
        bias = layer.bias.numpy() if layer.use_bias else 0.0
        weights.append(np.asarray(bias + scale.offset * sums, np.float32))
    return Part(part.layer, weights)


def operators_of(model: keras.Model) -> list[str]:
    """Return the layers of a flat model that become depthwise convolutions."""
    gone = absorbed(model)
    return [layer.name for layer in model.layers if layer.name not in gone and _has_operator(layer)]


def _has_operator(layer: Any) -> bool:
    """Tell whether a layer is affine by channel, and of a shape that a convolution can take."""
    known = isinstance(layer, (layers.Rescaling, layers.BatchNormalization))
    if not known or len(layer.inbound_nodes) != 1 or layer.output_shape != layer.input_shape:
        return False
    if isinstance(layer, layers.BatchNormalization) and list(layer.axis) != [len(layer.output_shape) - 1]:
        return False
    shape = layer.output_shape[1:]
    by_channel = all(_is_by_channel(numbers) for numbers in numbers_of(layer))
    is_image = len(shape) == 3
    fits = is_image or (len(shape) < 3 and None not in shape and not fuses_into_reader(layer))
    return by_channel and fits and shape[-1] is not None


def _is_by_channel(numbers: Array) -> bool:
    return numbers.size == (numbers.shape[-1] if numbers.ndim else 1)


def gains_of(layer: Any) -> tuple[Array, Array]:
    """Return factor and offset of each channel of one of `operators_of`, (c,) float32 both."""
    channels = layer.output_shape[-1]
    factor, offset = (np.broadcast_to(x.reshape(-1), channels).astype(np.float32) for x in numbers_of(layer))
    return factor, offset


def _operator(layer: Any, taken: set[str]) -> Sequence[Part]:
    factor, offset = gains_of(layer)
    convolution = layers.DepthwiseConv2D(1, name=layer.name)
    here = [Part(convolution, [factor.reshape(1, 1, -1, 1), offset])]
    shape = layer.output_shape[1:]
    if len(shape) == 3:
        return here
    image = (*(1,) * (3 - len(shape)), *shape)
    before, after = (unique(f"{layer.name}_{end}", taken) for end in ("image", "back"))
    return [Part(layers.Reshape(image, name=before), []), *here, Part(layers.Reshape(shape, name=after), [])]
