"""Bias correction in a flatbuffer: gives each output channel the mean that it has in the float model."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from qatflow.artifacts import Array
from qatflow.quantization.correction.activations import mean_tensors
from qatflow.quantization.correction.operators import BIAS, Float64, Operator, constant, grid, operators
from qatflow.tflite.inspect import TYPES, WEIGHTS, layer_weights
from qatflow.tflite.rewrite import pack, parse

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
QUANTIZED = ("INT8", "INT4")
BIAS_TYPES = {"INT8": "INT32", "INT16": "INT64"}
"""By the type of the activations."""
MAX_ERROR = 0.5
"""Largest |W_float - W_quantized| / |W_float|, Frobenius norms; beyond it the two are not the same layer."""
MAX_MOVE = 2.0**61
"""In steps of a bias: keeps sums within 64 bits."""


def correct_biases(flatbuffer: bytes, float_model: bytes, samples: Iterable[Array]) -> bytes:
    """Return the quantized flatbuffer with biases that take out the mean error of each output channel.

    Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2: weights
    on a grid shift the mean of an output by E[W_q x] - E[W x]. Here layer after layer in the order of execution, with
    x measured in both models, so that a layer also takes out what its inputs lost (their appendix D):
    b_q += (W E[x] + b) - (W_q E[x_q] + b_q), rounded to the grid of the bias, input scale * weight scale.

    Layers are matched by order; those whose weights do not look alike in both models stay as they are, as do float
    ones. Runs all samples once for every layer.

    Args:
        flatbuffer: With int8 or int16 activations and int8 or int4 weights.
        float_model: Flatbuffer of the same model in float32.
        samples: Representative samples, each (*input shape) float32.

    Raises:
        ConversionError: If LiteRT cannot run one of the models, or cannot run the result.
        DataError: If there are no samples, or they have another shape than the input.
    """
    held, tree = list(samples), parse(flatbuffer)
    pairs = list(_pairs(flatbuffer, float_model, tree))
    float_means = mean_tensors(float_model, held, [original.source for _, original in pairs])
    for operator, original in pairs:
        means = mean_tensors(pack(tree), held, [operator.source])
        wanted = original.mean_output(float_means[original.source])
        _shift(operator, wanted - operator.mean_output(means[operator.source]))
    corrected = pack(tree)
    parse(corrected)
    return corrected


def _pairs(flatbuffer: bytes, float_model: bytes, tree: Any) -> Iterator[tuple[Operator, Operator]]:
    """Yield the operators whose biases can be corrected, each with the same one of the float model."""
    quantized = operators(tree, layer_weights(flatbuffer))
    originals = operators(parse(float_model), layer_weights(float_model))
    if len(quantized) == len(originals):
        for operator, original in zip(quantized, originals, strict=True):
            known = operator.has_known_bias and original.has_known_bias
            if known and _is_integer(operator) and _is_same_layer(operator, original):
                yield operator, original


def _is_integer(operator: Operator) -> bool:
    known = operator.weights.operator in KINDS and operator.weights.dtype in QUANTIZED
    return known and TYPES[operator.tensor(operator.source).type] in BIAS_TYPES


def _is_same_layer(operator: Operator, original: Operator) -> bool:
    quantized, floats = operator.weights, original.weights
    if (quantized.operator, quantized.values.shape) != (floats.operator, floats.values.shape):
        return False
    error = np.linalg.norm(quantized.values.astype(np.float64) - floats.values)
    return bool(error <= MAX_ERROR * np.linalg.norm(floats.values.astype(np.float64)))


def _shift(operator: Operator, shift: Float64) -> None:
    """Add `shift` (channels,), in real units, to the bias, which gets a tensor of its own if it has none."""
    (scale, _), (weight_scale, _) = (grid(operator.tensor(operator.table.inputs[i])) for i in (0, WEIGHTS))
    if operator.bias_index < 0 or _readers(operator.tree, operator.tensor(operator.bias_index).buffer) > 1:
        _give_bias(operator, len(shift), scale * weight_scale)
    old = constant(operator.tree, operator.bias_index)
    moved = old.astype(np.int64) + _in_steps(shift, scale * weight_scale)
    limits = np.iinfo(old.dtype)
    data = np.clip(moved, limits.min, limits.max).astype(old.dtype)
    operator.tree.buffers[operator.tensor(operator.bias_index).buffer].data = data.view(np.uint8)


def _in_steps(shift: Float64, steps: Float64) -> npt.NDArray[np.int64]:
    """Return the shift in whole steps, 0 where it or the step says nothing (NaN weights, a dead channel)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        moves = np.rint(shift / steps)
    return np.where(np.isfinite(moves), np.clip(moves, -MAX_MOVE, MAX_MOVE), 0).astype(np.int64)


def _give_bias(operator: Operator, channels: int, steps: Float64) -> None:
    """Put a bias that only this operator reads in the place of a shared one or of none."""
    tree, index = operator.tree, operator.bias_index
    dtype = BIAS_TYPES[TYPES[operator.tensor(operator.source).type]]
    values = constant(tree, index) if index >= 0 else np.zeros(channels, dtype.lower())
    tensor = schema.TensorT(
        shape=np.array([channels], np.int32),
        type=getattr(schema.TensorType, values.dtype.name.upper()),
        buffer=len(tree.buffers),
        name=operator.tensor(operator.table.inputs[WEIGHTS]).name + b"/bias",
        quantization=schema.QuantizationParametersT(
            scale=steps.astype(np.float32), zeroPoint=np.zeros(len(steps), np.int64)
        ),
    )
    tree.buffers.append(schema.BufferT(data=values.view(np.uint8)))
    tree.subgraphs[0].tensors.append(tensor)
    operator.table.inputs = np.array([*operator.table.inputs[:BIAS], len(tree.subgraphs[0].tensors) - 1], np.int32)


def _readers(tree: Any, buffer: int) -> int:
    """Return how often operators read a buffer."""
    graph = tree.subgraphs[0]
    return sum(int(graph.tensors[i].buffer == buffer) for op in graph.operators for i in op.inputs if i >= 0)
