"""The fake-quant model as the device computes it: biases on their integer grid, and the kernels' own rounding.

LiteRT's and TFLite Micro's portable kernels, which run all 4-bit convolutions, requantize in two steps (gemmlowp's
MultiplyByQuantizedMultiplier): the accumulator times M = s_in * s_w / s_out = m * 2^-n, with m in [1/2, 1), is rounded
to 2^-n of an output step, then to a whole one; there halves go up in CONV_2D, and away from zero in DEPTHWISE_CONV_2D.
With 4-bit weights n is small and the first rounding is seen: 0.45 becomes 1. XNNPACK, which runs 8-bit layers, and
FULLY_CONNECTED of any width round once. AVERAGE_POOL_2D rounds halves of q away from zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qatflow.artifacts import Array
from qatflow.backend import keras
from qatflow.compression.base import Promises
from qatflow.models.kernels import KERNELS, columns, kernel_of
from qatflow.quantization.absorb import AFFINE_BITS, gains_of, operators_of, scales_of_kernels, settle
from qatflow.quantization.correction.bias import correct_biases
from qatflow.quantization.dense import as_converted, without_left
from qatflow.quantization.fake_quant import NO_GRIDS, Grids, build
from qatflow.quantization.floats import with_floats
from qatflow.quantization.fold import fold, gain_of, norms_of
from qatflow.quantization.grid import alive, levels, short, short_range
from qatflow.quantization.plan import NO_PLAN, Fixed, Plan, Tied, plan_outputs
from qatflow.quantization.quantizers import TwoSteps
from qatflow.quantization.reach import WHOLE, Reach
from qatflow.quantization.wiring import fuses_into_reader, grid_of, reader_of
from qatflow.tflite.convert import convert_float

layers = keras.layers

STEPS = 255
"""Of an 8-bit activation range."""


@dataclass(frozen=True, eq=False)
class Deployable:
    """All that a quantized model is.

    Attributes:
        model: Flat float model that holds weights and biases.
        plan: Where its fake-quants are.
        grids: What their grids are.
        reference: Float model whose mean outputs the biases of the flatbuffer are corrected to; None for no correction.
        promises: What compression gave the weights of each layer, for the flatbuffer to be held to.
        reach: Where ranges were cut.
        floats: Layers whose weights the flatbuffer keeps in float32.
    """

    model: keras.Model
    plan: Plan = NO_PLAN
    grids: Grids = NO_GRIDS
    reference: keras.Model | None = None
    promises: Promises = field(default_factory=dict)
    reach: Reach = WHOLE
    floats: frozenset[str] = frozenset()

    def scale(self, name: str) -> np.float32 | None:
        """Return the step of a layer's output; None if it has no grid."""
        kind = self.plan.outputs.get(name)
        if isinstance(kind, Tied):
            return self.scale(kind.to)
        if kind is None:
            return None
        low, high = (kind.low, kind.high) if isinstance(kind, Fixed) else self.grids.ranges[name]
        return np.float32((np.float64(np.float32(high)) - np.float32(low)) / STEPS)


def snap_biases(quantized: Deployable) -> None:
    """Round every bias, in place, to the grid s_in * s_w on which TFLite stores it as an int32."""
    for name in quantized.plan.weights:
        layer = quantized.model.get_layer(name)
        step = _accumulator_step(quantized, layer)
        if layer.use_bias and step is not None:
            layer.bias.assign(np.rint(layer.bias.numpy() / step) * step)


def _accumulator_step(quantized: Deployable, layer: Any) -> Array | None:
    """Return s_in * s_w, (c,) or () float64; None if the input has no grid."""
    source = grid_of(layer)
    scale = None if source is None else quantized.scale(source.name)
    return None if scale is None else np.float64(scale) * np.asarray(quantized.grids.steps[layer.name], np.float64)


def requantization(quantized: Deployable) -> dict[str, TwoSteps]:
    """Return how outputs of 4-bit convolutions are rounded, with 2^n fractions a step, by the output's layer."""
    roundings: dict[str, TwoSteps] = {}
    for name, bits in quantized.plan.weights.items():
        end = layer = quantized.model.get_layer(name)
        step = _accumulator_step(quantized, layer)
        while fuses_into_reader(end):
            end = reader_of(end)
        scale = quantized.scale(end.name)
        twice = bits == 4 and not isinstance(layer, layers.Dense) and not isinstance(end, layers.Concatenate)
        if twice and step is not None and scale is not None:
            _, exponent = np.frexp(step / np.float64(scale))
            fractions = np.asarray(2.0 ** np.maximum(-exponent, 0), np.float32)
            roundings[end.name] = TwoSteps(fractions, away=isinstance(layer, layers.DepthwiseConv2D))
    return roundings


def converted_form(quantized: Deployable) -> keras.Model:
    """Return the fake-quant model that TFLite's converter takes; dense layers as `dense` says."""
    plan = without_left(quantized.model, quantized.plan, quantized.grids)
    return build(quantized.model, plan, quantized.grids)


def on_converters_grid(quantized: Deployable) -> Deployable:
    """Return the model with dense kernels rounded, in place, as `dense.as_converted` says."""
    return replace(quantized, grids=as_converted(quantized.model, quantized.plan, quantized.grids))


def device_form(quantized: Deployable) -> keras.Model:
    """Return the fake-quant model that rounds as the device's kernels do, for comparison with the flatbuffer."""
    return build(quantized.model, quantized.plan, quantized.grids, device=requantization(quantized))


def folded(quantized: Deployable) -> Deployable:
    """Return the same model with batch normalization and scales folded into weights, steps and biases.

    Per channel the kernel is multiplied by one factor; its grid too, so that every weight keeps its q. Scales that no
    kernel absorbs become operators, see `absorb`.
    """
    norms = norms_of(quantized.model, tuple(KERNELS))
    model = fold(quantized.model, tuple(KERNELS))
    steps = {
        name: alive(step * np.abs(gain_of(norms[name]))) if name in norms else step
        for name, step in quantized.grids.steps.items()
    }
    ends = {norm.name: name for name, norm in norms.items()}
    ranges = {ends.get(name, name): found for name, found in quantized.grids.ranges.items()}
    return settled(replace(quantized, model=model, grids=replace(quantized.grids, steps=steps, ranges=ranges)))


def settled(quantized: Deployable) -> Deployable:
    """Return the same model, without batch normalization behind kernels, in the form of `absorb.settle`."""
    model, steps, weights = quantized.model, dict(quantized.grids.steps), dict(quantized.plan.weights)
    kernels = settle(model, {name: (steps[name], bits) for name, bits in weights.items()})
    for name, scale in scales_of_kernels(model).items():
        if name in steps:
            steps[name] = np.asarray(steps[name] * np.float32(scale.factor), np.float32)
    for name in operators_of(model):
        weights[name] = AFFINE_BITS
        steps[name] = alive(np.abs(gains_of(model.get_layer(name))[0]) / levels(AFFINE_BITS))
    plan = Plan(weights, plan_outputs(kernels) if quantized.plan.outputs else {})
    return replace(quantized, model=kernels, plan=plan, grids=Grids(steps, quantized.grids.ranges))


def shortened(quantized: Deployable) -> Deployable:
    """Return the model with short steps (`grid.short`) of weights and outputs, in place; every weight keeps its q.

    A flatbuffer holds two scales a channel, that of the weights and its product with the input's. No archiver makes
    them smaller, and in a small compressed model they are the largest part.
    """
    steps = {name: short(step) for name, step in quantized.grids.steps.items()}
    for name, step in steps.items():
        layer = quantized.model.get_layer(name)
        kernel = kernel_of(layer)
        kernel.assign(np.reshape(columns(layer) * (step / quantized.grids.steps[name]), kernel.shape))
    ranges = {name: short_range(*found) for name, found in quantized.grids.ranges.items()}
    return replace(quantized, grids=replace(quantized.grids, steps=steps, ranges=ranges))


def float_kept(flatbuffer: bytes, quantized: Deployable) -> bytes:
    """Return the flatbuffer with the float layers of the model in float again; see `floats.with_floats`.

    Raises:
        ConversionError: If one of them is no operator of its own.
    """
    if not quantized.floats:
        return flatbuffer
    return with_floats(flatbuffer, convert_float(quantized.model), quantized.floats)


def bias_corrected(flatbuffer: bytes, quantized: Deployable, samples: Iterable[Array]) -> bytes:
    """Return the flatbuffer with its biases corrected, if the model asks for it; see `correct_biases`.

    Raises:
        ConversionError: If LiteRT cannot run the flatbuffer.
    """
    if quantized.reference is None:
        return flatbuffer
    return correct_biases(flatbuffer, convert_float(quantized.reference), samples)
